"""Any Hugging Face sequence-classification model, from a folder or from the hub."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from models import torch_gpu
from models.backends import AUTO, BACKENDS
from models.base import sha256_of
from models.cache import DEFAULT_CACHE_SIZE
from models.checkup import OBVIOUS
from models.classifier import Classifier
from models.errors import LabelError, ModelError, ModelFileError, UnstableBackendError
from models.label_map import columns_of
from models.network import Network
from models.normalise import clean
from models.tokeniser import Tokeniser
from models.tone import LABELS, ModelId
from models.torch_network import TorchNetwork, one_thread, precision
from models.version import version_of

MAX_TOKENS: Final = 128
"""Tokens read of a text: foreign vocabularies cut other scripts finer than English."""

TOKENS_PER_BATCH: Final = 512
"""Tokens of a full batch: such models are many times larger than the bundled one."""

_MANY_ROWS: Final = 16
"""Texts of a full batch where fewer do not get the same bits in every place."""

# bfloat16 is refused for a foreign model when a check text's probability moves by more than this against float32.
_LARGEST_SHIFT: Final = 0.05
# Beside English, for tokenisers that know other scripts alone.
_ELSEWHERE: Final = ("Спасибо, всё хорошо", "谢谢你们的帮助", "شكرا على المساعدة", "मदद के लिए धन्यवाद")
_FILES: Final = ["*.json", "*.safetensors", "*.txt", "*.model"]
_HUB_NAME: Final = re.compile(r"[\w.-]+(/[\w.-]+)?")
# A model is refused when padding moves a probability of a check text by more than this: rounding moves it by 1e-6.
_LARGEST_SHIFT_BY_PADDING: Final = 1e-3
_PADDING: Final = 8  # tokens of it in that check, as many as between two buckets
# Weight of an output that a two-label model lacks: probability zero after the softmax.
_ABSENT: Final = -torch.inf


def directory_of(model: str, revision: str | None) -> Path:
    """The folder of a model; one named on the hub is downloaded into the Hugging Face cache first. Raises
    ``ModelFileError``.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        if revision is not None:
            raise ModelError(
                f"tone model {model} is a folder, so it has no revision ({revision}); remove the revision setting"
            )
        return path
    if not _HUB_NAME.fullmatch(model) or model.startswith("."):
        raise ModelFileError(
            f"tone model {model!r} is neither a folder nor a name on the Hugging Face hub (owner/name); correct the "
            "setting"
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=_FILES))
    except Exception as error:
        # The hub client raises some twenty kinds of error (network, access, name, revision, cache); to the user all
        # mean that there is no model.
        raise ModelFileError(
            f"cannot get tone model {model!r}{f' at revision {revision!r}' if revision else ''} from the Hugging "
            "Face hub: "
            f"{str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}; "
            "check name, revision and network, or download it elsewhere and name its folder"
        ) from error


def _config_of(directory: Path) -> dict[str, Any]:
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(
            f"{directory} is no Hugging Face model: cannot read config.json ({error}); name the folder that holds it"
        ) from error
    if not isinstance(config, dict):
        raise ModelFileError(
            f"{directory / 'config.json'} is not a JSON object; name the folder of a Hugging Face model"
        )
    if "auto_map" in config:
        raise ModelError(
            f"tone model {directory} brings its own code, which tocsin never runs; choose a model of an architecture "
            "known to transformers"
        )
    return config


def _checksum(directory: Path) -> str:
    whole = hashlib.sha256()
    for pattern in _FILES:
        for file in sorted(directory.glob(pattern)):
            whole.update(f"{file.name} {sha256_of(file)}\n".encode())
    return whole.hexdigest()


def _logits(
    model: torch.nn.Module, columns: Sequence[int], several_at_once: bool
) -> Callable[[Tensor, Tensor], Tensor]:
    """Logits (rows, 3) out of a model's outputs. Where ``several_at_once`` may be true of a text, each output is a
    logit of its own: the softmax of these logarithms of probabilities gives each its share of their sum.
    """

    def logits(ids: Tensor, lengths: Tensor) -> Tensor:
        attended = (torch.arange(ids.shape[1], device=ids.device)[None, :] < lengths[:, None]).long()
        outputs = model(input_ids=ids, attention_mask=attended).logits.float()
        result = torch.full((len(ids), len(LABELS)), _ABSENT, device=ids.device)
        result[:, list(columns)] = torch.nn.functional.logsigmoid(outputs) if several_at_once else outputs
        return result

    return logits


def _moves_little(coarse: Network, fine: Network, tokeniser: Tokeniser, texts: Sequence[str]) -> bool:
    for ids in tokeniser(texts):
        row, length = np.asarray([ids], dtype=np.int64), np.asarray([len(ids)], dtype=np.int64)
        # Written so that a NaN counts as moving.
        if not np.abs(coarse(row, length) - fine(row, length)).max() <= _LARGEST_SHIFT:
            return False
    return True


def _moved_by_padding(network: Network, tokeniser: Tokeniser, texts: Sequence[str]) -> bool:
    for ids in tokeniser(texts):
        lengths = np.asarray([len(ids)], dtype=np.int64)
        alone, wider = (
            network(np.asarray([ids + [tokeniser.pad] * padding], dtype=np.int64), lengths)
            for padding in (0, min(_PADDING, tokeniser.max_tokens - len(ids)))
        )
        if not np.abs(alone - wider).max() <= _LARGEST_SHIFT_BY_PADDING:
            return True
    return False


def _not_finite(network: torch.nn.Module) -> str | None:
    """Name of the first tensor that holds NaN or infinity."""
    # A sum is finite only if all its terms are; the terms are looked at one by one where it merely may have overflown.
    return next(
        (
            name
            for name, tensor in network.named_parameters()
            if not tensor.sum().isfinite() and not tensor.isfinite().all()
        ),
        None,
    )


def _check_ids(tokenizer: Any, tokeniser: Tokeniser, vocabulary: int, directory: Path) -> None:
    """Raise ``ModelFileError`` for a tokeniser that knows no word of any check text, as transformers makes one up where
    the files are missing, or that has ids the model has no row for.
    """
    largest = max(tokenizer.backend_tokenizer.get_vocab(with_added_tokens=True).values(), default=0)
    if largest >= vocabulary:
        raise ModelFileError(
            f"tone model {directory}: its tokeniser has ids up to {largest}, its weights rows for {vocabulary} alone "
            "(vocab_size in config.json); they do not belong together: get both from the same model"
        )
    said_of_nothing = {*tokenizer.all_special_ids, tokeniser.pad}
    texts = [clean(text) for text in (*(text for text, _ in OBVIOUS), *_ELSEWHERE)]
    if all(said_of_nothing.issuperset(ids) for ids in tokeniser(texts)):
        raise ModelFileError(
            f"tone model {directory}: its tokeniser knows no word of any text, so all would get one tone; the "
            "tokeniser's files (tokenizer.json, or vocab.txt and the like) are missing or empty: put them beside "
            "config.json"
        )


def load_foreign(
    model: str,
    *,
    revision: str | None = None,
    threads: int = 0,
    backend: str = "auto",
    labels: Sequence[str] | None = None,
    cache_size: int = DEFAULT_CACHE_SIZE,
) -> Classifier:
    """Load a model by folder or hub name; parameters and errors as of ``models.load``.

    Texts are cleaned (``models.normalise.clean``) but pictures are left to the model's own vocabulary. Under ``auto``,
    a graphics card is used where there is one, else bfloat16 where the processor has it, if the model bears it (no
    check text moves by more than 0.05).
    """
    if backend in BACKENDS and not backend.startswith("torch-"):
        others = ", ".join((AUTO, *(name for name in BACKENDS if name.startswith("torch-"))))
        raise ModelError(
            f"tone backend {backend} computes the bundled model alone; for {model} set tone.backend to one of: {others}"
        )
    on_card = backend == torch_gpu.NAME or (backend == "auto" and torch_gpu.why_not() is None)
    if backend == torch_gpu.NAME and (reason := torch_gpu.why_not()) is not None:
        raise ModelError(f"tone backend {backend} cannot run here: {reason}; set tone.backend to auto")
    dtype = torch_gpu.precision() if on_card else precision(backend)
    one_thread()
    directory = directory_of(model, revision)
    config = _config_of(directory)
    if not any(directory.glob("*.safetensors")):
        raise ModelFileError(
            f"tone model {directory} has no safetensors file; other formats can run code when read, so tocsin "
            "refuses them: convert it"
        )

    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    bar_shown, verbosity = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    # What it reports of the weights is looked at below.
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        options = {"local_files_only": True, "trust_remote_code": False}
        # Eager attention: the fused kinds look into the mask and take another route when no row is padded.
        network, report = AutoModelForSequenceClassification.from_pretrained(
            directory,
            use_safetensors=True,
            dtype=torch.float32,
            attn_implementation="eager",
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # told below
            **options,
        )
        tokenizer = AutoTokenizer.from_pretrained(directory, **options)
    except Exception as error:
        # Anything may surface here, from a missing optional package to a tensor of the wrong shape; the user needs one
        # message.
        raise ModelFileError(
            f"cannot load tone model {directory}: {str(error).strip() or type(error).__name__}; choose another model "
            "or mend its files"
        ) from error
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bar_shown:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
    if report["mismatched_keys"]:
        tensor, there, expected = min(report["mismatched_keys"])
        raise ModelFileError(
            f"tone model {directory}: {tensor} has the shape {tuple(there)}, but config.json asks for "
            f"{tuple(expected)}; they do not belong together: get both from the same model"
        )
    if report["missing_keys"]:
        raise ModelFileError(
            f"tone model {directory} lacks weights ({', '.join(sorted(report['missing_keys'])[:3])} ...): it was not "
            "trained to classify; "
            "choose a sequence-classification model"
        )
    if (damaged := _not_finite(network)) is not None:
        raise ModelFileError(
            f"tone model {directory}: {damaged} holds what is no number (NaN or infinity), so no tone can come of it; "
            "download or train it again"
        )
    if not tokenizer.is_fast:
        raise ModelError(f"tone model {directory} has only a slow tokeniser; choose a model with a tokenizer.json")
    if config.get("problem_type") == "regression":
        raise LabelError(
            f"tone model {model} tells figures and no probabilities (problem_type regression in config.json); choose a "
            "model that tells negative and positive, and optionally neutral"
        )
    columns = columns_of(
        {int(index): str(name) for index, name in network.config.id2label.items()}, labels, f"tone model {model}"
    )

    # RoBERTa's positions start behind the padding id, so up to two fewer than stated can be used.
    positions = int(config.get("max_position_embeddings") or MAX_TOKENS + 2) - 2
    max_tokens = max(2, min(MAX_TOKENS, int(tokenizer.model_max_length), positions))
    tokeniser = Tokeniser(tokenizer.backend_tokenizer, max_tokens, int(tokenizer.pad_token_id or 0))
    _check_ids(tokenizer, tokeniser, int(network.config.vocab_size), directory)
    network.eval().requires_grad_(False)
    several_at_once = config.get("problem_type") == "multi_label_classification"
    served: Network = TorchNetwork(_logits(network, columns, several_at_once), torch.float32)
    texts = [clean(text) for text, _ in OBVIOUS]
    try:
        reads_padding = _moved_by_padding(served, tokeniser, texts)
    except Exception as error:
        raise _cannot_compute(directory, error) from error
    if reads_padding:
        raise ModelError(
            f"tone model {directory} reads the padding behind a text, so its tones would depend on the other texts; "
            "choose a model of another architecture, or give its config.json the pad_token_id that it lacks"
        )
    if dtype != torch.float32:
        import copy

        narrow = copy.deepcopy(network).to(dtype)
        coarse: Network = (
            torch_gpu.GpuNetwork(_logits(narrow.cuda(), columns, several_at_once), dtype)
            if on_card
            else TorchNetwork(_logits(narrow, columns, several_at_once), dtype)
        )
        if backend != "auto" or _moves_little(coarse, served, tokeniser, texts):
            served = coarse
    parts = {
        "files": _checksum(directory),
        "columns": str(columns),
        "transformers": _transformers_version(),
        "max_tokens": str(max_tokens),
    }
    if several_at_once:
        parts["outputs"] = "a sigmoid each"
    name = model if not Path(model).is_dir() else directory.resolve().name

    def classifier(tokens_per_batch: int) -> Classifier:
        return Classifier(
            ModelId(name, version_of(parts, served.description)),
            served,
            tokeniser,
            int(network.config.vocab_size),
            clean,
            tokens_per_batch=tokens_per_batch,
            threads=threads,
            cache_size=cache_size,
        )

    try:
        return classifier(TOKENS_PER_BATCH)
    except UnstableBackendError:
        # Some processors sum the product of a pooled layer, one row a text, by the row's place where rows are few.
        return classifier(_MANY_ROWS * max_tokens)
    except ModelError:
        raise
    except Exception as error:
        raise _cannot_compute(directory, error) from error


def _cannot_compute(directory: Path, error: Exception) -> ModelError:
    """What to raise for a model that loads, but whose code fails for batches of texts: anything may surface there."""
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ModelError(
        f"tone model {directory} cannot compute tones of a batch ({said}); choose a model of another architecture, or "
        "mend its config.json"
    )


def _transformers_version() -> str:
    import transformers

    return str(transformers.__version__)
