"""Made-up encoders that are small: a reference for sentence-transformers, and a graph with its tokenizer alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from canonry.encode import EncoderFiles

PACKAGE = "tiny_reference"
DIMENSION = 32


def write_reference(folder: Path, tokenizer: Path) -> EncoderFiles:
    """A BERT of one layer with made-up weights, as package `tiny_reference` in `folder`; put that on the path."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    words = len(json.loads(tokenizer.read_text())["model"]["vocab"])
    shape = {"hidden_size": DIMENSION, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    bert = folder / "bert"
    BertModel(BertConfig(vocab_size=words, max_position_embeddings=512, **shape)).save_pretrained(bert)
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_file=str(tokenizer), **special).save_pretrained(bert)
    transformer = Transformer(str(bert))
    model = folder / PACKAGE / "model"
    SentenceTransformer(modules=[transformer, Pooling(DIMENSION)], device="cpu").save(str(model))
    (folder / PACKAGE / "__init__.py").touch()
    digest = hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    return EncoderFiles("tiny", PACKAGE, "model", digest, DIMENSION, max_tokens=256)


def write_graph(folder: Path, words: Sequence[str], dimension: int) -> tuple[Path, Path]:
    """A graph and its tokenizer: a text is the mean of its words' vectors, word i having a 1 at i; others have none."""
    from onnx import TensorProto, checker, helper, numpy_helper
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {"[UNK]": 0} | {word: number for number, word in enumerate(words, start=1)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    table = np.zeros((len(vocabulary), dimension), np.float32)
    table[1:] = np.eye(len(words), dimension, dtype=np.float32)
    node = helper.make_node
    nodes = [
        node("Gather", ["table", "input_ids"], ["seen"]),
        node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["mask", "last"], ["column"]),
        node("Mul", ["seen", "column"], ["kept"]),
        node("ReduceSum", ["kept", "middle"], ["sum"], keepdims=0),
        node("ReduceL2", ["sum", "middle"], ["length"], keepdims=1),
        node("Max", ["length", "tiny"], ["safe"]),
        node("Div", ["sum", "safe"], ["vectors"]),
    ]
    shape = ["texts", "tokens"]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", dimension])],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(np.array([-1]), "last"),
            numpy_helper.from_array(np.array([1]), "middle"),
            numpy_helper.from_array(np.array(1e-9, np.float32), "tiny"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    checker.check_model(model)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    return folder / "model.onnx", folder / "tokenizer.json"
