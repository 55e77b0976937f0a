"""Drills: a running stage, a fault of the real servers behind it, and how long it takes to recover.

One module a drill. To add one, write a module here with `run(folder) -> Result`, and add its name
to DRILLS in `__main__`. A drill

1. starts the real servers that it needs (`servers` has them), on free ports of 127.0.0.1;
2. runs the deployed functions on them: `with drilled_stage(folder, store=url) as stage`;
3. keeps sending requests as people do: `with Traffic(stage) as traffic`; `traffic.flow()` waits
   3 s, so that several instances are warm;
4. breaks something: `traffic.mark_fault()` and the fault; repairs it, or waits until the servers
   have done so themselves: `traffic.mark_able()`;
5. lets the traffic go on for as long as the recovery may take (`traffic.flow_after()`), and returns
   `traffic.result("its name")`.

Every loop is bounded. What a drill starts ends with its `with` blocks, each process by its own id.
"""
