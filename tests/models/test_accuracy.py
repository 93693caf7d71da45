"""The bundled model reads tones well, and training and serving agree on what they read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.base import verified_base
from models.bundled import chosen_backend, load_files, merged_network
from models.checkup import OBVIOUS
from models.classifier import Classifier
from models.encoder import ToneNetwork, load_base
from models.labelled import read_labelled
from models.merged import bundled_files
from models.metrics import macro_recall
from models.normalise import normalise
from models.tokeniser import Tokeniser
from models.tone import LABELS
from tests.models.texts import corpus


def test_obvious_texts(bundled: Classifier) -> None:
    tones = bundled.predict([text for text, _ in OBVIOUS])
    assert [LABELS[index] for index in tones.argmax(axis=1)] == [label for _, label in OBVIOUS]


def test_macro_recall_on_held_back_tweets(bundled: Classifier, tone_data: Path) -> None:
    data = read_labelled(tone_data / "en_val.tsv")
    tones = bundled.predict(data.texts[:500])
    assert macro_recall(data.labels[:500], tones.argmax(axis=1)) >= 0.70


def test_encoder_is_the_one_of_transformers() -> None:
    from transformers import BertModel

    base = verified_base()
    network = ToneNetwork().eval()
    load_base(network, base)
    reference: torch.nn.Module = BertModel.from_pretrained(base, attn_implementation="eager")
    reference.eval()
    ids = Tokeniser.from_file(base / "tokenizer.json")(
        ["A short one", "and one that is quite a bit longer, is it not?"]
    )
    longest = max(map(len, ids))
    padded = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
    lengths = torch.tensor([len(row) for row in ids])
    with torch.inference_mode():
        mask = (torch.arange(longest)[None] < lengths[:, None]).long()
        hidden = reference(padded, attention_mask=mask).last_hidden_state
        expected = (hidden * mask[:, :, None]).sum(1) / lengths[:, None]
        found = network.pooled(padded, lengths)
    assert found.numpy() == pytest.approx(expected.numpy(), abs=1e-5)


def test_served_tones_are_the_networks() -> None:
    """Without exits, which few texts get another label by, but many other numbers."""
    network, temperature = merged_network()
    files = replace(bundled_files(), whole=True)
    tokeniser = Tokeniser.from_file(files.tokeniser)
    texts = corpus(12)
    model = load_files(files, chosen_backend(files), threads=1, cache_size=0)
    served = model.predict(texts)
    model.close()
    with torch.inference_mode():
        for text, tone in zip(texts, served, strict=True):
            (ids,) = tokeniser([normalise(text)])
            logits = network.eval()(torch.tensor([ids]), torch.tensor([len(ids)]))
            expected = torch.softmax(logits / temperature, dim=1)[0].numpy()
            assert np.abs(tone - expected).max() < 0.06


def test_exits_give_few_texts_another_label_and_leave_the_share_of_negatives(
    bundled: Classifier, tone_data: Path
) -> None:
    """Chosen on these texts: 0.2 % at each of four exits, and rounding."""
    texts = read_labelled(tone_data / "en_val.tsv").texts
    files = replace(bundled_files(), whole=True)
    whole = load_files(files, bundled.backend.partition(" ")[0], threads=2, cache_size=0)
    labels, others = bundled.predict(texts).argmax(axis=1), whole.predict(texts).argmax(axis=1)
    whole.close()
    assert np.mean(labels != others) <= 0.008
    assert abs(np.mean(labels == 0) - np.mean(others == 0)) <= 0.004
