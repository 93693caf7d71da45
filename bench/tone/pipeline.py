"""The baseline: ``transformers.pipeline`` over the bundled model, at its best."""

from __future__ import annotations

import time
from collections.abc import Sequence
from logging import CRITICAL
from typing import Any, Final

import numpy as np

from bench.tone.measured import Measured, best, memory
from models.normalise import normalise
from models.tone import LABELS

PIPELINE_BATCHES: Final = (1, 32, 64)
CARD_BATCHES: Final = (32, 128, 512)
MAX_TOKENS: Final = 64


def measure_pipeline(texts: Sequence[str], threads: int) -> Measured:
    """``transformers.pipeline``, float32, on normalised texts (not timed), at its best batch size and thread count.

    More threads are not always better: on a busy machine they wait for each other.
    """
    import torch
    from transformers import pipeline
    from transformers.utils import logging

    # It reports as an error that a class of ours is none of its list, and then serves it all the same.
    logging.set_verbosity(CRITICAL)  # type: ignore[no-untyped-call, unused-ignore]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call, unused-ignore]
    normalised = [normalise(text) for text in texts]
    began = time.perf_counter()
    model, tokenizer = merged_transformers_model()
    run: Any = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu", top_k=None)
    run(normalised[:1])
    load = time.perf_counter() - began
    found: dict[str, tuple[float, float, Any]] = {}
    for count in dict.fromkeys((threads, 1)):
        torch.set_num_threads(count)
        for batch in PIPELINE_BATCHES:
            options = {"batch_size": batch, "truncation": True, "max_length": MAX_TOKENS}
            key = f"{count} x {batch}"
            found[key] = best(lambda options=options: run(normalised, **options), len(texts), 1)  # type: ignore[misc]
    rate, processor, told = max(found.values(), key=lambda entry: entry[0])
    scores = [{entry["label"]: entry["score"] for entry in entries} for entries in told]
    tones = np.array([[score[label] for label in LABELS] for score in scores], dtype=np.float32)
    detail = ", ".join(f"{key}: {entry[0]:.0f}" for key, entry in found.items())
    return Measured(rate, processor, load, memory(), tones, detail)


def measure_pipeline_on_card(texts: Sequence[str], single: int, device: str = "cuda") -> Measured:
    """The same on a graphics card, in the half precision that suits it, at its best batch size; and the latency of
    ``single`` texts asked one by one.
    """
    import torch
    from transformers import pipeline
    from transformers.utils import logging

    from models.torch_gpu import precision

    logging.set_verbosity(CRITICAL)  # type: ignore[no-untyped-call, unused-ignore]
    normalised = [normalise(text) for text in texts]
    began = time.perf_counter()
    model, tokenizer = merged_transformers_model()
    if device != "cpu":
        model = model.to(precision())
    run: Any = pipeline("text-classification", model=model, tokenizer=tokenizer, device=device, top_k=None)
    run(normalised[:1])
    load = time.perf_counter() - began
    found: dict[int, tuple[float, float, Any]] = {}
    for batch in CARD_BATCHES:
        options = {"batch_size": batch, "truncation": True, "max_length": MAX_TOKENS}
        found[batch] = best(lambda options=options: run(normalised, **options), len(texts))  # type: ignore[misc]
    rate, processor, _ = max(found.values(), key=lambda entry: entry[0])
    latency: list[float] = []
    for text in normalised[:single]:
        began = time.perf_counter()
        run(text, truncation=True, max_length=MAX_TOKENS)
        latency.append(time.perf_counter() - began)
    detail = f"{torch.cuda.get_device_name() if device != 'cpu' else device}; texts/s by batch: " + ", ".join(
        f"{batch}: {entry[0]:.0f}" for batch, entry in found.items()
    )
    return Measured(rate, processor, load, memory(), np.empty((0, len(LABELS)), np.float32), detail, latency)


def merged_transformers_model() -> tuple[Any, Any]:
    """The bundled model as a ``transformers`` model (float32, adapter merged) and its tokeniser."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel
    from transformers.modeling_outputs import SequenceClassifierOutput
    from transformers.models.bert.modeling_bert import BertPreTrainedModel

    from models.base import verified_base
    from models.bundled import merged_network

    class MeanPooledBert(BertPreTrainedModel):  # type: ignore[misc, no-any-unimported, unused-ignore]
        """BERT, mean over the tokens, dense layer, tanh, output."""

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.bert = BertModel(config, add_pooling_layer=False)  # type: ignore[no-untyped-call, unused-ignore]
            self.head_dense = torch.nn.Linear(config.hidden_size, config.hidden_size)
            self.head_output = torch.nn.Linear(config.hidden_size, config.num_labels)
            self.post_init()  # type: ignore[no-untyped-call, unused-ignore]

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None) -> Any:
            hidden = self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state
            mask = attention_mask[:, :, None].to(hidden.dtype)
            features = torch.tanh(self.head_dense((hidden * mask).sum(1) / mask.sum(1)))
            return SequenceClassifierOutput(logits=self.head_output(features) / temperature)

    base = verified_base()
    network, temperature = merged_network()
    config = BertConfig.from_pretrained(base, num_labels=len(LABELS), id2label=dict(enumerate(LABELS)))
    model: Any = MeanPooledBert(config)
    bert = BertModel.from_pretrained(base, add_pooling_layer=False)
    model.bert.load_state_dict(bert.state_dict())
    model.bert.embeddings.LayerNorm.load_state_dict(network.embedding_norm.state_dict())
    ours: Any
    for ours, theirs in zip(network.layers, model.bert.encoder.layer, strict=True):
        pairs = (
            (ours.query, theirs.attention.self.query),
            (ours.key, theirs.attention.self.key),
            (ours.value, theirs.attention.self.value),
            (ours.attention_output, theirs.attention.output.dense),
            (ours.intermediate, theirs.intermediate.dense),
            (ours.output, theirs.output.dense),
            (ours.attention_norm, theirs.attention.output.LayerNorm),
            (ours.output_norm, theirs.output.LayerNorm),
        )
        for source, target in pairs:
            target.load_state_dict(source.state_dict())
    model.head_dense.load_state_dict(network.head_dense.state_dict())
    model.head_output.load_state_dict(network.head_output.state_dict())
    return model.eval(), AutoTokenizer.from_pretrained(base)
