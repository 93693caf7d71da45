"""The baseline: ``transformers.pipeline`` over the bundled model, at its best."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
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

    normalised = [normalise(text) for text in texts]
    run, load = _started("cpu", normalised[0])
    found: dict[str, tuple[float, float, Any]] = {}
    for count in dict.fromkeys((threads, 1)):
        torch.set_num_threads(count)
        for batch in PIPELINE_BATCHES:
            found[f"{count} x {batch}"] = best(partial(run, normalised, batch_size=batch), len(texts), 1)
    rate, processor, told = max(found.values(), key=lambda entry: entry[0])
    scores = [{entry["label"]: entry["score"] for entry in entries} for entries in told]
    tones = np.array([[score[label] for label in LABELS] for score in scores], dtype=np.float32)
    return Measured(rate, processor, load, memory(), tones, _rates(found))


def measure_pipeline_on_card(texts: Sequence[str], single: int) -> Measured:
    """The same on a graphics card, in the half precision that suits it, at its best batch size; and the latency of
    ``single`` texts asked one by one.
    """
    import torch

    normalised = [normalise(text) for text in texts]
    run, load = _started("cuda", normalised[0])
    found = {str(batch): best(partial(run, normalised, batch_size=batch), len(texts)) for batch in CARD_BATCHES}
    rate, processor, _ = max(found.values(), key=lambda entry: entry[0])
    latency: list[float] = []
    for text in normalised[:single]:
        began = time.perf_counter()
        run(text)
        latency.append(time.perf_counter() - began)
    detail = f"{torch.cuda.get_device_name()}; texts/s by batch: {_rates(found)}"
    return Measured(rate, processor, load, memory(), np.empty((0, len(LABELS)), np.float32), detail, latency)


def _started(device: str, text: str) -> tuple[Callable[..., Any], float]:
    """The pipeline, once it has read a text, and the seconds that took; in half precision but on a processor."""
    from transformers import pipeline
    from transformers.utils import logging

    # It reports as an error that a class of ours is none of its list, and then serves it all the same.
    logging.set_verbosity(CRITICAL)  # type: ignore[no-untyped-call, unused-ignore]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call, unused-ignore]
    began = time.perf_counter()
    model, tokenizer = merged_transformers_model()
    if device != "cpu":
        from models.torch_gpu import precision

        model = model.to(precision())
    whole: Any = pipeline("text-classification", model=model, tokenizer=tokenizer, device=device, top_k=None)
    whole([text])
    return partial(whole, truncation=True, max_length=MAX_TOKENS), time.perf_counter() - began


def _rates(found: Mapping[str, tuple[float, float, Any]]) -> str:
    return ", ".join(f"{key}: {entry[0]:.0f}" for key, entry in found.items())


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
