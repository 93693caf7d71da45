"""Remembered words give the very token ids of the tokeniser: else a text's tone would hang on what was read before."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from models import word_ids
from models.merged import bundled_files
from models.tokeniser import MAX_TOKENS, Tokeniser
from models.word_ids import _EUROPEAN, WordIds, cuts_at_spaces
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
def vocabulary(tokenizer: Tokenizer) -> list[str]:
    return sorted(piece for piece in tokenizer.get_vocab() if piece.isascii())


@pytest.fixture(scope="module")
def words(tokenizer: Tokenizer) -> WordIds:
    return WordIds(tokenizer, MAX_TOKENS)


def found(words: WordIds, texts: Sequence[str]) -> list[list[int]]:
    return [ids.tolist() for ids in words(texts)]


def bert(lowercase: bool, strip_accents: bool | None) -> Tokenizer:
    """The bundled vocabulary under another normalisation."""
    tokenizer = Tokenizer.from_file(str(bundled_files().tokeniser))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length=MAX_TOKENS)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)
    return tokenizer


@given(st.lists(st.lists(st.sampled_from((*PIECES, " ", "  ")), max_size=90).map("".join), max_size=5))
def test_ids_are_those_of_the_tokeniser(tokenizer: Tokenizer, words: WordIds, texts: list[str]) -> None:
    assert found(words, texts) == [encoding.ids for encoding in tokenizer.encode_batch(texts)]


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_any_text_has_the_ids_of_the_tokeniser(tokenizer: Tokenizer, words: WordIds, text: str) -> None:
    assert found(words, [text]) == [tokenizer.encode(text).ids]


@given(st.text(st.characters(min_codepoint=0, max_codepoint=127), max_size=40))
def test_any_ascii_text_has_the_ids_of_the_tokeniser(tokenizer: Tokenizer, words: WordIds, text: str) -> None:
    assert found(words, [text]) == [tokenizer.encode(text).ids]


EUROPEAN = re.findall(f"[{_EUROPEAN}]", "".join(map(chr, range(0x10000))))


@pytest.mark.parametrize(("lowercase", "strip_accents"), [(True, None), (True, False), (False, True), (False, False)])
def test_each_european_letter_has_the_ids_of_the_tokeniser(lowercase: bool, strip_accents: bool | None) -> None:
    tokenizer = bert(lowercase, strip_accents)
    words = WordIds(tokenizer, MAX_TOKENS)
    for letter in EUROPEAN:
        text = f"{letter} un{letter}able {letter}{letter}9 {letter.upper()} {letter.lower()}"
        assert found(words, [text]) == [tokenizer.encode(text).ids]
    for text in map(" ".join, zip(EUROPEAN[::2], EUROPEAN[1::2], strict=True)):
        assert found(words, [text]) == [tokenizer.encode(text).ids]


@given(st.text(st.sampled_from([*EUROPEAN, " ", "\u0301"]), max_size=40))
def test_european_text_has_the_ids_of_the_tokeniser(tokenizer: Tokenizer, words: WordIds, text: str) -> None:
    assert found(words, [text]) == [tokenizer.encode(text).ids]


@given(data=st.data())
def test_words_put_together_of_pieces_have_the_ids_of_the_tokeniser(
    tokenizer: Tokenizer, words: WordIds, vocabulary: list[str], data: st.DataObject
) -> None:
    parts = st.sampled_from(vocabulary) | st.sampled_from([*"#_'-.,!$~^`[]", "A", "Zq"])
    text = "".join(part.removeprefix("##") for part in data.draw(st.lists(parts, max_size=6)))
    assert found(words, [text]) == [tokenizer.encode(text).ids]


def test_words_of_other_tokenisers_of_the_kind() -> None:
    """Letters as they are, another mark for pieces within a word, short words only, another unknown."""
    vocabulary = {"<unk>": 0, "<s>": 1, "Up": 2, "up": 3, "~p": 4, "~per": 5, "u": 6, "!": 7, "upper": 8}
    tokenizer = Tokenizer(
        models.WordPiece(vocabulary, unk_token="<unk>", continuing_subword_prefix="~", max_input_chars_per_word=5)
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("<s>", 1), ("<s>", 1))
    tokenizer.add_special_tokens(["<s>"])
    assert cuts_at_spaces(tokenizer)
    words = WordIds(tokenizer, 64)
    for text in ("Up up UP upper uppper uper!", "u<s>up <s", "!up!per", ""):
        assert found(words, [text]) == [tokenizer.encode(text).ids]


@pytest.mark.parametrize("added", ["COVID", "\u00dcber"])
def test_tokens_looked_for_after_lower_case_are_left_to_the_library(added: str) -> None:
    tokenizer = Tokenizer.from_file(str(bundled_files().tokeniser))
    tokenizer.no_padding()
    tokenizer.add_tokens([AddedToken(added, normalized=True)])
    words = WordIds(tokenizer, 64)
    for text in ("covid", "Covid is uber bad", "COVID", "uber"):
        assert found(words, [text]) == [tokenizer.encode(text).ids]


@pytest.mark.parametrize("added", ["covid", "COVID", "\u00fcber"])
def test_a_part_of_a_word_is_no_added_token(added: str) -> None:
    """Parts are remembered in small letters: another word may be such a token."""
    tokenizer = Tokenizer.from_file(str(bundled_files().tokeniser))
    tokenizer.no_padding()
    tokenizer.add_tokens([AddedToken(added, normalized=False)])
    words = WordIds(tokenizer, 64)
    for text in ("COVID! Covid, #covid covid", "covid COVID", "\u00dcber, uber \u00fcber"):
        assert found(words, [text]) == [tokenizer.encode(text).ids]


def test_memory_is_bounded_and_forgetting_changes_no_id(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_ids, "_MOST_CHARACTERS", 500)
    words = WordIds(tokenizer, MAX_TOKENS)
    texts = corpus(120)
    for _ in range(2):
        for text in texts:
            assert found(words, [text]) == [tokenizer.encode(text).ids]
            # Beyond what sets it off, the words of one text and their parts.
            assert sum(map(len, words._known)) <= 500 + 2 * len(text)


def test_only_tokenisers_that_cut_at_spaces_are_taken_at_their_words(tokenizer: Tokenizer) -> None:
    assert cuts_at_spaces(tokenizer)
    # Pieces of a Unigram model know the space before them, and may know several words.
    other = Tokenizer(models.Unigram([("a", 0.0), ("\u2581a", 0.0)], 0))
    other.pre_tokenizer = pre_tokenizers.Metaspace()
    assert not cuts_at_spaces(other)
    assert Tokeniser(other)(["a a"]) == [[1, 1]]
