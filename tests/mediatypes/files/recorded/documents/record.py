"""Makes the files beside it by the libraries whose formats they are, and `reported.json`: what these libraries say of them.

Run in an environment of its own, since the libraries are heavy:
pip install transformers tokenizers huggingface_hub datasets mlflow-skinny scikit-learn skops pandas mlcroissant
pip install torch peft accelerate diffusers pillow
python record.py
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REPORTED: dict[str, Any] = {}


def record_transformers() -> None:
    from transformers import AutoConfig, BertConfig, GenerationConfig, LlamaConfig, LlavaConfig, TrainerState

    llama = LlamaConfig(
        architectures=["LlamaForCausalLM"],
        max_position_embeddings=8192,
        vocab_size=128256,
        dtype="bfloat16",
        quantization_config={"quant_method": "gptq", "bits": 4, "group_size": 128},
    )
    bert = BertConfig(architectures=["BertForMaskedLM"])
    llava = LlavaConfig(
        architectures=["LlavaForConditionalGeneration"], text_config=LlamaConfig(max_position_embeddings=4096)
    )
    for name, config in (("llama", llama), ("bert", bert), ("llava", llava)):
        config.save_pretrained(HERE / name)
        loaded = AutoConfig.from_pretrained(HERE / name)
        text = loaded.get_text_config()
        REPORTED[f"{name}/config.json"] = {
            "architecture": loaded.architectures[0],
            "family": loaded.model_type,
            "context_length": text.max_position_embeddings,
            "vocabulary_size": text.vocab_size,
            "precision": str(loaded.dtype).removeprefix("torch.") if loaded.dtype else None,
        }
    GenerationConfig(max_new_tokens=256, temperature=0.6, do_sample=True).save_pretrained(HERE / "llama")
    generates = GenerationConfig.from_pretrained(HERE / "llama")
    REPORTED["llama/generation_config.json"] = {
        "raw": {name: getattr(generates, name) for name in ("max_new_tokens", "temperature", "do_sample")}
    }
    state = TrainerState(epoch=3.0, global_step=30, max_steps=30, num_train_epochs=3, train_batch_size=8)
    for step in (10, 20, 30):
        state.log_history.append({"loss": 1.0 / step, "learning_rate": 5e-5, "epoch": step / 10, "step": step})
        state.log_history.append(
            {"eval_loss": 2.0 / step, "eval_accuracy": 0.6 + step / 100, "eval_runtime": 1.5, "step": step}
        )
    state.save_to_json(str(HERE / "llama" / "trainer_state.json"))
    trained = TrainerState.load_from_json(str(HERE / "llama" / "trainer_state.json"))
    REPORTED["llama/trainer_state.json"] = {
        "hyperparameters": {
            "num_train_epochs": trained.num_train_epochs,
            "train_batch_size": trained.train_batch_size,
            "max_steps": trained.max_steps,
        },
        "metrics": [
            {"name": name, "value": trained.log_history[-1][f"eval_{name}"], "split": "eval"}
            for name in ("accuracy", "loss")
        ],
    }


def record_tokenizers() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    lines = ["the quick brown fox jumps over the lazy dog", "a registry of models and datasets"] * 10
    made = {
        "bpe": (
            models.BPE(unk_token="<unk>"),
            trainers.BpeTrainer(vocab_size=80, special_tokens=["<unk>"], show_progress=False),
        ),
        "unigram": (
            models.Unigram(),
            trainers.UnigramTrainer(vocab_size=60, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False),
        ),
    }
    for name, (model, trainer) in made.items():
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.train_from_iterator(lines, trainer)
        tokenizer.add_special_tokens(["<pad>", "<eos>"])
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")
        if name == "bpe":
            fast.chat_template = "{% for message in messages %}{{ message.content }}{% endfor %}"
        fast.save_pretrained(HERE / name)
        loaded = AutoTokenizer.from_pretrained(HERE / name)
        REPORTED[f"{name}/tokenizer.json"] = {"vocabulary_size": len(loaded)}
        REPORTED[f"{name}/tokenizer_config.json"] = {
            "raw": {"eos_token": loaded.eos_token, "pad_token": loaded.pad_token}
        }
        if loaded.chat_template:
            REPORTED[f"{name}/chat_template.jinja"] = {"extra": {"chat_template": True}}


def record_repository() -> None:
    """Save a model in shards, an adapter of it, and what its training measured."""
    import torch
    from peft import LoraConfig, PeftConfig, get_peft_model
    from safetensors import safe_open
    from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        vocab_size=80,
        max_position_embeddings=64,
        dtype="bfloat16",
    )
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    place = HERE / "sharded"
    model.save_pretrained(place, max_shard_size="2KB")
    tensors = model.state_dict()
    parameters = model.num_parameters()
    REPORTED["sharded/model.safetensors.index.json"] = {"tensors": len(tensors), "parameters": parameters}
    for shard in sorted(place.glob("*.safetensors")):
        with safe_open(shard, "pt") as opened:
            counts = [opened.get_tensor(name).numel() for name in opened.keys()]  # noqa: SIM118
        REPORTED[f"sharded/{shard.name}"] = {"tensors": len(counts), "parameters": sum(counts), "precision": "bfloat16"}
    loaded = LlamaConfig.from_pretrained(place)
    REPORTED["sharded/config.json"] = {
        "architecture": loaded.architectures[0],
        "vocabulary_size": loaded.vocab_size,
        "context_length": loaded.max_position_embeddings,
        "precision": str(loaded.dtype).removeprefix("torch."),
    }

    lora = LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj"], task_type="CAUSAL_LM")
    model.name_or_path = "example/sharded"
    get_peft_model(model, lora).save_pretrained(HERE / "adapter")
    said = PeftConfig.from_pretrained(HERE / "adapter")
    REPORTED["adapter/adapter_config.json"] = {
        "framework": "peft",
        "framework_version": said.peft_version,
        "base_models": [{"ref": said.base_model_name_or_path, "relation": "adapter"}],
        "tasks": ["text-generation"],
    }

    trainer = Trainer(model, TrainingArguments(str(HERE / "results"), report_to=[]))
    measured = {"eval_f1": 0.75, "eval_accuracy": 0.5, "eval_runtime": 3.5, "epoch": 1.0}
    trainer.save_metrics("eval", measured, combined=False)
    REPORTED["results/eval_results.json"] = {
        "metrics": [{"name": name, "value": measured[f"eval_{name}"], "split": "eval"} for name in ("accuracy", "f1")]
    }


def record_pipelines() -> None:
    import diffusers
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
    from transformers import BaseImageProcessor, CLIPImageProcessor

    blocks = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",), "block_out_channels": (32,)}
    pipeline = DDPMPipeline(UNet2DModel(8, layers_per_block=1, norm_num_groups=1, **blocks), DDPMScheduler(10))
    pipeline.save_config(HERE / "pipeline")
    REPORTED["pipeline/model_index.json"] = {
        "framework": "diffusers",
        "framework_version": diffusers.__version__,
        "architecture": type(pipeline).__name__,
    }
    processor = CLIPImageProcessor(size={"shortest_edge": 224})
    processor.save_pretrained(HERE / "processor")
    REPORTED["processor/preprocessor_config.json"] = {
        "input_types": ["image"] if isinstance(processor, BaseImageProcessor) else []
    }


def record_evaluations() -> None:
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml, parse_eval_result_entries

    path = HERE / "evaluated" / ".eval_results" / "gsm8k.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = EvalResultEntry(dataset_id="openai/gsm8k", task_id="gsm8k", value=82.5)
    path.write_text(yaml.safe_dump(eval_result_entries_to_yaml([entry])))
    said = parse_eval_result_entries(yaml.safe_load(path.read_text()))
    REPORTED["evaluated/.eval_results/gsm8k.yaml"] = {
        "metrics": [{"name": one.task_id, "value": one.value, "dataset": one.dataset_id} for one in said]
    }


def record_cards() -> None:
    from datasets import DatasetInfo
    from datasets.info import DatasetInfosDict
    from datasets.splits import SplitDict, SplitInfo
    from huggingface_hub import DatasetCard, DatasetCardData, EvalResult, ModelCard, ModelCardData

    results = [
        EvalResult(
            "text-classification",
            "glue",
            "GLUE SST-2",
            "accuracy",
            0.9125,
            dataset_split="validation",
            dataset_config="sst2",
        ),
        EvalResult(
            "text-classification", "glue", "GLUE SST-2", "f1", 0.9034, dataset_split="validation", dataset_config="sst2"
        ),
    ]
    data = ModelCardData(
        language=["en", "de"],
        license="apache-2.0",
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["sentiment", "distilled"],
        datasets=["glue"],
        base_model="google-bert/bert-base-uncased",
        base_model_relation="finetune",
        metrics=["accuracy", "f1"],
        model_name="sentiment-small",
        eval_results=results,
    )
    text = "# Sentiment, small\n\n![badge](https://example.org/badge.svg)\n\nTells whether a sentence is friendly."
    text += "\nTrained in an hour.\n\n## Use\n"
    ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}").save(HERE / "model-card" / "README.md")
    said = ModelCard.load(HERE / "model-card" / "README.md").data
    REPORTED["model-card/README.md"] = {
        "licenses": ["Apache-2.0"],
        "languages": said.language,
        "tags": said.tags,
        "tasks": [said.pipeline_tag],
        "framework": said.library_name,
        "datasets": [{"ref": name} for name in said.datasets],
        "base_models": [{"ref": said.base_model, "relation": said.base_model_relation}],
        "name": said.model_name,
        "metrics": [
            {
                "name": result.metric_type,
                "value": result.metric_value,
                "dataset": result.dataset_type,
                "split": result.dataset_split,
                "task": result.task_type,
            }
            for result in said.eval_results
        ],
    }
    info = saved_dataset().info
    card = DatasetCardData(
        license="cc-by-4.0",
        language="no",
        task_categories=["text-classification"],
        pretty_name="Words",
        source_datasets=["original"],
    )
    page = f"---\n{card.to_yaml()}\n---\n\n# Words\n"
    DatasetCard(page).save(HERE / "dataset-card" / "README.md")
    splits = SplitDict(
        {
            "train": SplitInfo("train", num_bytes=720, num_examples=6),
            "test": SplitInfo("test", num_bytes=240, num_examples=2),
        }
    )
    DatasetInfosDict(
        {"default": DatasetInfo(features=info.features, splits=splits, download_size=900, dataset_size=960)}
    ).write_to_directory(HERE / "dataset-card")


def saved_dataset() -> Any:
    from datasets import ClassLabel, Dataset, Features, List, Value

    features = Features(
        {
            "text": Value("string"),
            "label": ClassLabel(names=["bad", "good"]),
            "scores": List(Value("float32")),
            "meta": {"id": Value("int64")},
        }
    )
    rows = {
        "text": ["a", "b", "c"],
        "label": [0, 1, 1],
        "scores": [[0.5], [], [1.0, 2.0]],
        "meta": [{"id": 1}, {"id": 2}, {"id": 3}],
    }
    return Dataset.from_dict(rows, features=features)


def record_datasets() -> None:
    from datasets import DatasetDict, disable_progress_bars, load_from_disk

    disable_progress_bars()
    dataset = saved_dataset()
    DatasetDict({"train": dataset, "test": dataset.select([0])}).save_to_disk(HERE / "saved")
    dataset.to_parquet(HERE / "saved" / "train.parquet")
    dataset.to_csv(HERE / "saved" / "train.csv", index=False)
    dataset.to_json(HERE / "saved" / "train.jsonl")
    features = [
        {"name": "text", "type": "string"},
        {"name": "label", "type": "class_label"},
        {"name": "scores", "type": "list<float32>"},
        {"name": "meta", "type": "struct"},
    ]
    assert [item["name"] for item in features] == dataset.column_names
    for name in ("saved/train/data-00000-of-00001.arrow", "saved/train.parquet"):
        REPORTED[name] = {"rows": dataset.num_rows, "features": features}
    for name in ("saved/train.csv", "saved/train.jsonl"):
        REPORTED[name] = {"rows": dataset.num_rows}
    loaded = load_from_disk(str(HERE / "saved"))
    for split, part in loaded.items():
        REPORTED[f"saved/{split}/state.json"] = {
            "raw": {"_data_files": [{"filename": Path(file["filename"]).name} for file in part.cache_files]}
        }
        REPORTED[f"saved/{split}/dataset_info.json"] = {"features": features}
    REPORTED["saved/dataset_dict.json"] = {"splits": [{"name": "train"}, {"name": "test"}]}


def record_mlflow() -> None:
    import mlflow.sklearn
    import numpy as np
    import sklearn
    from mlflow.models import Model, infer_signature
    from sklearn.linear_model import LogisticRegression

    inputs = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    model = LogisticRegression().fit(np.array(inputs), np.array([1, 0, 1, 0]))
    signature = infer_signature(np.array(inputs), model.predict(np.array(inputs)))
    directory = HERE / "mlflow"
    shutil.rmtree(directory, ignore_errors=True)
    mlflow.sklearn.save_model(
        model, directory, signature=signature, pip_requirements=[f"scikit-learn=={sklearn.__version__}", "mlflow"]
    )
    for path in directory.iterdir():
        if path.suffix in (".pkl", ".skops", ".json", ".npz"):
            path.unlink()
    said = Model.load(directory)
    REPORTED["mlflow/MLmodel"] = {
        "framework": "sklearn",
        "framework_version": said.flavors["sklearn"]["sklearn_version"],
        "inputs": [{"name": "0", "dtype": "float64", "shape": list(said.signature.inputs.inputs[0].shape)}],
        "outputs": [{"name": "0", "dtype": "int64", "shape": list(said.signature.outputs.inputs[0].shape)}],
    }
    for name in ("mlflow/conda.yaml", "mlflow/requirements.txt"):
        REPORTED[name] = {"framework": "sklearn", "framework_version": sklearn.__version__}


def record_croissant() -> None:
    import mlcroissant as mlc

    for version in ("1.0", "1.1"):
        context = mlc.Context(conforms_to=f"http://mlcommons.org/croissant/{version}")
        file = mlc.FileObject(
            ctx=context,
            id="data.csv",
            name="data.csv",
            content_url="data.csv",
            encoding_formats=["text/csv"],
            sha256="0" * 64,
        )
        fields = [
            mlc.Field(
                ctx=context,
                id=f"rows/{name}",
                name=name,
                data_types=[kind],
                source=mlc.Source(ctx=context, file_object="data.csv", extract=mlc.Extract(ctx=context, column=name)),
            )
            for name, kind in (("text", mlc.DataType.TEXT), ("score", mlc.DataType.FLOAT))
        ]
        metadata = mlc.Metadata(
            ctx=context,
            name="words",
            description="Words and their scores.",
            license=["https://creativecommons.org/licenses/by/4.0/"],
            url="https://example.org/words",
            version="1.2.0",
            keywords=["words"],
            in_language=["en"],
            creators=[mlc.Person(ctx=context, name="Ada")],
            distribution=[file],
            record_sets=[mlc.RecordSet(ctx=context, id="rows", name="rows", fields=fields)],
            cite_as="Ada, Words",
        )
        path = HERE / "croissant" / f"croissant-{version}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(metadata.to_json(), indent=2, default=str) + "\n")
        said = mlc.Dataset(path).metadata
        REPORTED[f"croissant/{path.name}"] = {
            "name": said.name,
            "version": said.version,
            "description": said.description,
            "licenses": ["CC-BY-4.0"],
            "authors": [person.name for person in said.creators],
            "languages": said.in_language,
            "tags": said.keywords,
            "features": [
                {"name": field.name, "type": written(path, field.name)} for field in said.record_sets[0].fields
            ],
        }


def written(path: Path, name: str) -> str:
    fields = json.loads(path.read_text())["recordSet"][0]["field"]
    return next(field["dataType"] for field in fields if field["name"] == name)


if __name__ == "__main__":
    record_transformers()
    record_tokenizers()
    record_repository()
    record_pipelines()
    record_evaluations()
    record_datasets()
    record_cards()
    record_mlflow()
    record_croissant()
    (HERE / "reported.json").write_text(json.dumps(REPORTED, indent=2) + "\n")
