"""Makes the files beside it with PyTorch, Keras, TensorFlow and Flax, which are too heavy for a test run, and what these say.

Run it in an environment of its own: `pip install torch tensorflow-cpu keras tf_keras flax && python record.py`.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil

os.environ["TF_USE_LEGACY_KERAS"] = "0"
HERE = pathlib.Path(__file__).parent


def of_torch(tensors: dict) -> dict:
    """Return types and shapes by names."""
    return {name: [str(tensor.dtype).removeprefix("torch."), list(tensor.shape)] for name, tensor in tensors.items()}


def record_torch() -> dict:
    import torch

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).half()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(2, 3).half()).sum().backward()
    optimizer.step()
    tied = torch.arange(6, dtype=torch.bfloat16).reshape(2, 3)
    tensors = {
        "embedding": tied,
        "head": tied,
        "row": tied[1],
        "turned": tied.T,
        "one": torch.ones(()),
        "none": torch.zeros(0, 4, dtype=torch.int8),
        "small": torch.ones(3).to(torch.float8_e4m3fn),
        "flags": torch.tensor([True, False]),
    }
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, HERE / "checkpoint.pt")
    torch.save(tensors, HERE / "tensors.pt")
    torch.save(model, HERE / "module.pt")
    torch.save(model.state_dict(), HERE / "legacy.pt", _use_new_zipfile_serialization=False)

    class Scripted(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3, 2)

        def forward(self, x):
            return self.layer(x)

    scripted = Scripted()
    torch.jit.script(scripted).save(HERE / "script.pt")
    arrays = {name: tensor for name, tensor in model.state_dict().items() if tensor.dim()}
    return {
        "checkpoint.pt": of_torch(model.state_dict()),
        "tensors.pt": of_torch(tensors),
        "module.pt": of_torch(model.state_dict()),
        "legacy.pt": of_torch(model.state_dict()),
        "script.pt": of_torch(scripted.state_dict()),
        # By which a test knows that an offset is right.
        "bytes": {name: tensor.contiguous().view(torch.uint8).flatten().tolist() for name, tensor in arrays.items()},
    }


def record_keras() -> dict:
    import keras

    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, activation="relu"), keras.layers.Dense(2)], name="small"
    )
    model.compile("adam", "mse")
    model.save(HERE / "model.keras")
    model.save(HERE / "model.h5")
    code = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x * 2)], name="code")
    code.save(HERE / "lambda.keras")
    shapes = sorted(list(weight.shape) for weight in model.weights)
    return {
        "version": keras.__version__,
        "parameters": model.count_params(),
        "shapes": shapes,
    }


def record_tensorflow() -> dict:
    import tensorflow as tf

    class Module(tf.Module):
        def __init__(self) -> None:
            self.kernel = tf.Variable(tf.ones((3, 2)), name="kernel")
            self.steps = tf.Variable(2, name="steps")

        @tf.function
        def __call__(self, x):
            return {"y": x @ self.kernel}

        @tf.function
        def write(self, x):
            tf.io.write_file("written", x)
            return {"x": x}

    module = Module()
    for name, function, spec in (
        ("saved_model", module.__call__, tf.TensorSpec((None, 3), tf.float32, name="x")),
        ("writes", module.write, tf.TensorSpec((), tf.string, name="x")),
    ):
        folder = HERE / name
        tf.saved_model.save(module, str(folder), signatures=function.get_concrete_function(spec))
        for unread in ("fingerprint.pb", "variables/variables.data-00000-of-00001"):
            (folder / unread).unlink()
        (folder / "assets").rmdir()
    shutil.rmtree(HERE / "writes" / "variables")
    reader = {"kernel": ["float32", [3, 2]], "steps": ["int32", []]}

    import tf_keras

    model = tf_keras.Sequential([tf_keras.layers.Dense(2, input_shape=(3,))], name="old")
    model.save(str(HERE / "old"), save_format="tf")
    shutil.move(HERE / "old" / "keras_metadata.pb", HERE / "keras_metadata.pb")
    shutil.rmtree(HERE / "old")
    return {"version": tf.__version__, "variables": reader}


def record_flax() -> dict:
    import flax
    import jax.numpy as jnp
    import numpy as np

    state = {
        "params": {"dense": {"kernel": np.ones((3, 4), np.float32), "bias": jnp.ones((4,), jnp.bfloat16)}},
        "opt_state": {"0": {"mu": np.zeros((3, 4), np.float32)}},
        "step": 5,
    }
    (HERE / "flax.msgpack").write_bytes(flax.serialization.to_bytes(state))
    large = ["float32", [3, 4]]
    return {"params.dense.kernel": large, "params.dense.bias": ["bfloat16", [4]], "opt_state.0.mu": large}


if __name__ == "__main__":
    said = {"torch": record_torch(), "keras": record_keras(), "tensorflow": record_tensorflow(), "flax": record_flax()}
    (HERE / "said.json").write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")
