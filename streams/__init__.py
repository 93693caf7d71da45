"""The Faust application: records, topics, agents, metrics, settings and the command line. It wires `models` to `detectors`."""
