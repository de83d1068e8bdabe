"""The one service for side effects: policy, approval, plan, execute, verify, undo, audit."""
