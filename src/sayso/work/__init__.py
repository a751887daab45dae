"""How work is spread over processes, survives being killed, and is accounted for."""
