"""What `bench.tasks` is compared with: one program for each, run by the interpreter that has it.

`python -m bench.task_peers.NAME COUNT ADDRESS` starts two worker processes, submits so many no-op tasks in the
fastest way there is, and waits until all are done and recorded. It prints {"submit": seconds, "total": seconds}.
"""
