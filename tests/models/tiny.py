"""A tiny random Hugging Face classifier, made in a second: proves the path of foreign models without a download."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel, PreTrainedTokenizerFast

WORDS = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "good",
    "bad",
    "day",
    "flight",
    "the",
    "a",
    "is",
    "was",
    "@",
    "user",
    "http",
)


def write_tiny_model(directory: Path, labels: Sequence[str], *, seed: int = 7, spread: float = 0.5) -> Path:
    """Write config, weights (safetensors) and tokeniser of a two-layer model with random weights, of the standard
    deviation ``spread``; returns ``directory``.
    """
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=130,
        initializer_range=spread,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    network: PreTrainedModel = BertForSequenceClassification(config)  # type: ignore[no-untyped-call]
    network.save_pretrained(directory)
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    wrapped = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, model_max_length=128, **special
    )
    wrapped.save_pretrained(directory)
    return directory
