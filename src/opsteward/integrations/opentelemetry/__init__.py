"""OpenTelemetry: logs as its exporters send them over OTLP/HTTP, in protobuf or JSON. Pure, no network."""
