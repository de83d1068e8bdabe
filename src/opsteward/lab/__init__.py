"""A small real shop with its own database, order traffic and a fault injector, run as processes.

It exists so that anybody can watch the whole loop close on something real, and so that repairs are measured
from the shop's side. It knows nothing of the product that repairs it: no other room is imported here.
"""
