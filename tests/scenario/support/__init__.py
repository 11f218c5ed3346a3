"""What the scenario tests stand on: the gateway under test, and the servers around it."""
