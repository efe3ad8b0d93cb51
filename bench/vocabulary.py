"""Of what synthetic artifacts are made, and how frequent each is."""

from typing import NamedTuple


class Family(NamedTuple):
    """A family of models: the numbers of parameters that it comes in, and its context length in tokens."""

    name: str
    architecture: str
    task: str
    parameters: tuple[float, ...]
    context: int | None


_BIG = (1.2e9, 3.2e9, 8.03e9, 70.6e9)
FAMILIES = (
    Family("llama", "LlamaForCausalLM", "text-generation", _BIG, 131_072),
    Family("qwen2", "Qwen2ForCausalLM", "text-generation", (0.49e9, 1.54e9, 7.6e9, 72.7e9), 32_768),
    Family("mistral", "MistralForCausalLM", "text-generation", (7.25e9, 12.2e9), 32_768),
    Family("gemma2", "Gemma2ForCausalLM", "text-generation", (2.6e9, 9.2e9, 27.2e9), 8192),
    Family("phi3", "Phi3ForCausalLM", "text-generation", (3.8e9, 14e9), 4096),
    Family("bert", "BertForSequenceClassification", "text-classification", (0.11e9, 0.34e9), 512),
    Family("roberta", "RobertaForTokenClassification", "token-classification", (0.125e9, 0.355e9), 512),
    Family("t5", "T5ForConditionalGeneration", "translation", (0.06e9, 0.22e9, 0.77e9, 3e9), 512),
    Family("whisper", "WhisperForConditionalGeneration", "automatic-speech-recognition", (0.039e9, 1.55e9), 448),
    Family("vit", "ViTForImageClassification", "image-classification", (0.086e9, 0.3e9), None),
    Family("clip", "CLIPModel", "zero-shot-image-classification", (0.15e9, 0.43e9), 77),
    Family("resnet", "ResNetForImageClassification", "image-classification", (0.025e9, 0.06e9), None),
    Family("yolo", "YoloForObjectDetection", "object-detection", (0.003e9, 0.07e9), None),
    Family("forest", "RandomForestClassifier", "tabular-classification", (1e5, 1e6), None),
    Family("xgboost", "XGBClassifier", "tabular-classification", (1e4, 1e6), None),
    *(Family(f"house{number}", f"House{number}Model", "feature-extraction", (1e7, 3e8), 512) for number in range(60)),
)
FAMILY_WEIGHTS = (20, 12, 10, 5, 4, 10, 6, 4, 4, 4, 3, 4, 3, 5, 4, *[0.1] * 60)
KINDS = ("model", "dataset", "experiment", "sbom", "signature", "attestation", "files")
KIND_WEIGHTS = (70, 12, 6, 4, 4, 2, 2)
PACKINGS = ("modelpack", "kitops", "docker", "ollama", "oras")
PACKING_WEIGHTS = (50, 15, 10, 10, 15)
FORMATS = ("safetensors", "gguf", "pytorch", "onnx", "pickle", "savedmodel", "keras", "joblib")
FORMAT_WEIGHTS = (50, 15, 12, 8, 4, 4, 3, 4)
FRAMEWORK_OF = {"onnx": "onnx", "savedmodel": "tensorflow", "keras": "keras", "joblib": "sklearn", "pickle": "sklearn"}
FRAMEWORKS = ("transformers", "pytorch", "jax", "mlx")
FRAMEWORK_WEIGHTS = (45, 45, 7, 3)
PRECISIONS = ("bfloat16", "float16", "float32", "int8", "uint8")
PRECISION_WEIGHTS = (45, 25, 20, 7, 3)
BYTES = {"bfloat16": 2, "float16": 2, "float32": 4, "int8": 1, "uint8": 1}
QUANTIZATIONS = ("Q4_K_M", "Q5_K_M", "Q8_0", "gptq", "awq", "fp8")
LICENSES = (
    *("Apache-2.0", "MIT", "llama3.1", "CC-BY-4.0", "CC-BY-NC-4.0", "BSD-3-Clause", "GPL-3.0-only", "proprietary"),
    *("gemma", "OpenRAIL", "CC0-1.0", "LGPL-3.0-only"),
)
LICENSE_WEIGHTS = (40, 20, 8, 6, 4, 4, 2, 10, 3, 1, 1, 1)
LANGUAGES = ("en", "de", "fr", "zh", "es", "ja", "it", "pt", "ko", "ar", "ru", "hi", "sw", "fi")
TASKS = ("text-generation", "text-classification", "translation", "question-answering", "image-classification")
METRICS = ("accuracy", "f1", "bleu", "wer", "rouge1", "mmlu", "perplexity")
LABELS = (*(f"label{number}" for number in range(200)), "production", "experimental", "medical", "finance", "legal")
DATASETS = (*(f"hub/corpus-{number}" for number in range(500)), "squad", "glue", "imagenet-1k", "c4", "wikitext")
RARE = ["llama-3.1-8b", "arXiv:2307.09288"]
PROSE = (
    *("a", "an", "and", "are", "as", "at", "be", "by", "can", "evaluated", "fine-tuned", "for", "from"),
    *("has", "in", "instruction-tuned", "is", "it", "its", "large", "language", "licensed", "long"),
    *("low-rank", "model", "models", "multilingual", "of", "on", "open", "our", "pre-trained", "quantized"),
    *("released", "results", "small", "that", "the", "this", "to", "trained", "training", "under", "used"),
    *("using", "was", "we", "weights", "with", "adapters", "alignment", "annotated", "answers"),
    *("architecture", "attention", "audio", "balanced", "benchmark", "biased", "calibrated", "cards", "chat"),
    *("checkpoint", "classification", "clinical", "code", "coding", "compressed", "context", "contracts"),
    *("conversational", "corpus", "customers", "curated", "data", "dataset", "decoding", "deduplicated"),
    *("detection", "dialogue", "distilled", "documents", "domain", "efficient", "embeddings", "encoder"),
    *("english", "evaluation", "experts", "extraction", "factual", "fast", "filtered", "finance", "french"),
    *("generation", "german", "graphs", "hardware", "head", "human", "images", "inference", "instructions"),
    *("invoices", "japanese", "knowledge", "labels", "latency", "layers", "learning", "legal", "license"),
    *("medical", "memory", "merged", "metrics", "mixture", "news", "noisy", "parameters"),
    *("performance", "preference", "production", "prompts", "questions", "ranking", "reasoning", "recall"),
    *("recordings", "reinforcement", "retrieval", "reviews", "robust", "safety", "sampling", "scientific"),
    *("search", "segmentation", "sentiment", "sequence", "serving", "speech", "summaries", "support"),
    *("synthetic", "tabular", "tasks", "tokenizer", "tokens", "tools", "transcripts", "transfer"),
    *("translation", "validation", "vision", "vocabulary", "web", "weather"),
)
