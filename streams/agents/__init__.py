"""The two agents of a worker: classify reads tones, detect decides."""
