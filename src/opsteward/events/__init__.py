"""Events: taken in, classified, grouped by fingerprint into incidents, and decided on by rules and standing orders.

`intake` is the way in; `classification`, `decision`, `fingerprint` and `objects` look at one event (`drafts` puts what
they say together); `incident_opening`, `recoveries`, `incidents` and `timeline` keep the incidents.
`standing_orders` is the operators' policy. What an action does is decided here and done in `actions`.
"""
