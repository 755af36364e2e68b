"""Tokenizers of transformers: their configuration, and the files beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from guidance.errors import InputError
from guidance.models.foreign.configuration import Configuration, TokenId, read_json
from guidance.models.foreign.places import check_places
from guidance.models.foreign.text_encoders import KINDS

#: Bytes of a tokenizer's file: the vocabulary of SigLIP 2 has 34 MB.
MAX_TOKENIZER_BYTES = 2**26
#: Files of which one set must be there. Without, some classes have an empty vocabulary.
VOCABULARIES = (
    ("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",), ("spiece.model",),
    ("tokenizer.model",), ("sentencepiece.bpe.model",),
)  # fmt: skip
#: The classes of tokenizers that may be named, also with the ending "Fast".
TOKENIZERS = frozenset(
    (
        "BertTokenizer", "CLIPTokenizer", "GemmaTokenizer", "LlamaTokenizer", "M2M100Tokenizer",
        "MT5Tokenizer", "NllbTokenizer", "PreTrainedTokenizer", "RobertaTokenizer",
        "SiglipTokenizer", "Siglip2Tokenizer", "T5Tokenizer", "TokenizersBackend",
        "XLMRobertaTokenizer",
    )
)  # fmt: skip


class SpecialToken(Configuration):
    """A token as an object."""

    content: Annotated[str, Field(max_length=200)]
    type_: Literal["AddedToken"] = Field("AddedToken", alias="__type")
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = True
    single_word: bool = False
    special: bool = False
    id: TokenId = 0


Token = Annotated[str, Field(max_length=200)] | SpecialToken | None
#: The name of a file beside the configuration.
FileName = Annotated[str, Field(pattern=r"^(\./)?[\w-][\w.-]{0,99}$")] | None


class Tokenizer(Configuration):
    """`tokenizer_config.json`."""

    #: Where it was saved, settings of other libraries, and templates of chats, which are not used.
    ignored: ClassVar[frozenset[str]] = frozenset(
        (
            "backend", "chat_template", "clean_up_tokenization_spaces", "device_map", "dtype",
            "full_tokenizer_file", "is_local", "local_files_only", "name_or_path",
            "processor_class", "special_tokens_map_file", "tokenizer_file_hash",
            "transformers_version", "use_default_system_prompt", "use_fast",
        )
    )  # fmt: skip
    tokenizer_class: str | None = None
    model_max_length: Annotated[float, Field(gt=0)] | None = None
    model_input_names: list[Annotated[str, Field(max_length=40)]] | None = None
    bos_token: Token = None
    eos_token: Token = None
    unk_token: Token = None
    sep_token: Token = None
    pad_token: Token = None
    cls_token: Token = None
    mask_token: Token = None
    additional_special_tokens: Annotated[list[Token], Field(max_length=1024)] | None = None
    extra_special_tokens: (
        Annotated[list[Token], Field(max_length=1024)] | dict[str, Token] | None
    ) = None
    added_tokens_decoder: dict[str, SpecialToken] | None = None
    vocab_file: FileName = None
    merges_file: FileName = None
    tokenizer_file: FileName = None
    spm_file: FileName = None
    sp_model_kwargs: Annotated[dict[str, int], Field(max_length=0)] | None = None
    add_prefix_space: bool | None = None
    add_bos_token: bool | None = None
    add_eos_token: bool | None = None
    split_special_tokens: bool | None = None
    spaces_between_special_tokens: bool | None = None
    do_lower_case: bool | None = None
    do_basic_tokenize: bool | None = None
    never_split: list[str] | None = None
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool | None = None
    trim_offsets: bool | None = None
    legacy: bool | None = None
    legacy_behaviour: bool | None = None
    errors: Literal["replace", "strict", "ignore"] | None = None
    extra_ids: Annotated[int, Field(ge=0, le=1000)] | None = None
    padding_side: Literal["right", "left"] | None = None
    truncation_side: Literal["right", "left"] | None = None
    padding: str | bool | None = None
    truncation: str | bool | None = None
    max_length: Annotated[int, Field(ge=1)] | None = None
    stride: int | None = None
    pad_to_multiple_of: int | None = None
    pad_token_type_id: int | None = None
    truncation_strategy: str | None = None
    src_lang: Annotated[str, Field(max_length=20)] | None = None
    tgt_lang: Annotated[str, Field(max_length=20)] | None = None
    canonicalize: bool | None = None
    do_clean: bool | None = None


def check_tokenizer(folder: Path) -> None:
    """Checks the files of a tokenizer before transformers reads them.

    Raises:
        InputError: a file is too large or a link that leads out of the folder, or
            `tokenizer_config.json` has a key or value that is not supported.
    """
    check_places(folder)
    names = {path.name for path in folder.iterdir() if path.is_file()}
    if not any(names.issuperset(files) for files in VOCABULARIES):
        raise InputError(f"{folder}: has no vocabulary, such as tokenizer.json; fetch it again")
    for path in folder.iterdir():
        if path.suffix in (".json", ".txt", ".model", ".jinja") and path.is_file():
            size = path.stat().st_size
            if size > MAX_TOKENIZER_BYTES:
                raise InputError(f"{path}: has {size} bytes, too many for a tokenizer")
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return
    found = Tokenizer.check(read_json(path), path)
    name = found.get("tokenizer_class")
    if name is not None and name.removesuffix("Fast") not in TOKENIZERS:
        raise InputError(
            f"{path}: tokenizer_class {name!a:.60} is not supported; use one of "
            f"{', '.join(sorted(TOKENIZERS))}"
        )


def tokenizer_model_type(folder: Path) -> str | None:
    """The `model_type` beside a tokenizer, from which transformers chooses a class without a name.

    None if there is none, or it is not of a text encoder that is supported.

    Raises:
        InputError: `config.json` is not JSON.
    """
    path = folder / "config.json"
    if not path.is_file():
        return None
    stored = read_json(path)
    kind = stored.get("model_type") if isinstance(stored, dict) else None
    return kind if isinstance(kind, str) and kind in KINDS else None
