"""What the end-to-end tests stand on: the server, a real Postfix, a scriptable backend, raw clients."""
