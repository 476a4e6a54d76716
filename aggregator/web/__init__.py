"""The operator's page, and what monitors ask: /metrics, /healthz, /readyz. It reads only, and binds loopback unless told otherwise."""
