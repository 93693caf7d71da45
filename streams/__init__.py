"""The Faust application: records, topics, agents, metrics, settings, command line. It wires `models` to `detectors`."""
