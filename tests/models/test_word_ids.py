"""Remembered words give the very token ids of the tokeniser: else a text's tone would hang on what was read before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from models import word_ids
from models.merged import bundled_files
from models.tokeniser import MAX_TOKENS, Tokeniser
from models.word_ids import WordIds, cuts_at_spaces
from tests.models.texts import corpus

# What looks across a letter's border, or at more than letters: accents that combine, capitals whose small form hangs on
# their place, special tokens, white space that is no space, characters that vanish.
PIECES = (
    *(
        "a",
        "un",
        "believ",
        "able",
        "##ing",
        "E\u0301",
        "\u0301",
        "\u0327",
        "\u03a3",
        "\u0130",
        "\u00df",
        "[SEP]",
        "[ SEP]",
    ),
    *(
        "\u4e2d",
        "\t",
        "\n",
        "\u00a0",
        "\u3000",
        "\x1c",
        "\x00",
        "\ufffd",
        "\u200d",
        "!!",
        "http",
        "@user",
        "#tag",
        "q" * 101,
    ),
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(bundled_files().tokeniser))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length=MAX_TOKENS)
    return tokenizer


@pytest.fixture(scope="module")
def words(tokenizer: Tokenizer) -> WordIds:
    return WordIds(tokenizer, MAX_TOKENS)


@given(st.lists(st.lists(st.sampled_from((*PIECES, " ", "  ")), max_size=90).map("".join), max_size=5))
def test_ids_are_those_of_the_tokeniser(tokenizer: Tokenizer, words: WordIds, texts: list[str]) -> None:
    assert words(texts) == [encoding.ids for encoding in tokenizer.encode_batch(texts)]


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_any_text_has_the_ids_of_the_tokeniser(tokenizer: Tokenizer, words: WordIds, text: str) -> None:
    assert words([text]) == [tokenizer.encode(text).ids]


def test_memory_is_bounded_and_forgetting_changes_no_id(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_ids, "_MOST_CHARACTERS", 500)
    words = WordIds(tokenizer, MAX_TOKENS)
    texts = corpus(120)
    for _ in range(2):
        for text in texts:
            assert words([text]) == [tokenizer.encode(text).ids]
            assert sum(map(len, words._ids_of)) <= 500 + len(text)


def test_only_tokenisers_that_cut_at_spaces_are_taken_at_their_words(tokenizer: Tokenizer) -> None:
    assert cuts_at_spaces(tokenizer)
    # Pieces of a Unigram model know the space before them, and may know several words.
    other = Tokenizer(models.Unigram([("a", 0.0), ("\u2581a", 0.0)], 0))
    other.pre_tokenizer = pre_tokenizers.Metaspace()
    assert not cuts_at_spaces(other)
    assert Tokeniser(other)(["a a"]) == [[1, 1]]
