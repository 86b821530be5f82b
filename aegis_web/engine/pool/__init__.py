"""Killable processes: a guardian forks children, children execute attempts.

    node (threads) ── control: spawn, kill ──> guardian (one thread, the program loaded)
      │                <── exited ───────────      │ fork
      └── one wire, two pipes per child ──────> children, each leader of its own process group

The node never forks: it has threads. It starts the guardian with the first attempt, and lets
children and guardian go when they are idle. All of them die with the node, whatever happens.
"""
