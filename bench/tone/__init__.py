"""Tone: our classifier beside a plain ``transformers.pipeline`` over the same merged model, in one run.

``python -m bench.tone --help``. Every contender runs in a process of its own, one after the other on the same texts, so
that threads and memory of one do not colour another.
"""
