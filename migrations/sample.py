"""What the loader puts into each table: rows made from a seed, in sizes and with a skew as in a real database.

Every value follows from the seed, the table and the number of the row, so the same seed gives the same rows, byte for
byte. Only the standard library, and generators throughout: memory does not grow with the number of rows.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b
from math import log1p
from random import Random
from typing import TypeAlias

SKEW = 30
"""How unequal workspaces are: the largest has some ``SKEW`` times the providers of the smallest."""

DAYS = [str(date(2023, 5, 15) + timedelta(days=number)) for number in range(790)]
CLOCK = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60)]
MINUTES = len(DAYS) * len(CLOCK)
"""Rows were made in these minutes, which end before the revision at which they are loaded."""

BLANK, WHITESPACE, MISSING = 17, 41, 73
"""Of every hundred secrets, which is empty, which only white space, which NULL."""

# As COPY writes them: backslash and letter for tab and line ends.
WHITESPACES = (" ", "   ", r"\t", r"\n", r" \t\n", r"\r\n", r"\n    ")
PROVIDERS = (
    "openai anthropic azure_openai google deepseek cohere bedrock vertex_ai mistralai huggingface_hub replicate ollama "
    "localai xinference openai_api_compatible groq together_ai openrouter moonshot zhipuai tongyi wenxin spark minimax "
    "baichuan hunyuan volcengine_maas chatglm yi stepfun siliconflow novita perfxcloud jina voyage nvidia nvidia_nim "
    "sagemaker triton_inference_server leptonai fireworks upstage gpustack oci zhinao fishaudio nomic mixedbread "
    "openllm vessl_ai x lm_studio vllm cerebras sambanova perplexity ai21 aleph_alpha friendli octoai anyscale watsonx"
).split()
OFFERS = [(name, "custom", "") for name in PROVIDERS]
OFFERS[4:4] = [(name, "system", quota) for name in PROVIDERS[:4] for quota in ("trial", "paid")]
"""(provider_name, provider_type, quota_type): what a workspace can have once each, the popular ones first."""

MODELS = (
    "gpt-4o gpt-4o-mini gpt-4-turbo gpt-3.5-turbo claude-3-5-sonnet-20241022 claude-3-haiku-20240307 gemini-1.5-pro "
    "gemini-2.0-flash command-r-plus mistral-large-latest llama-3.1-70b-instruct qwen2.5-72b-instruct deepseek-chat "
    "glm-4-plus moonshot-v1-128k text-embedding-3-large text-embedding-3-small BAAI/bge-m3 jina-embeddings-v3 "
    "nvidia/llama-3.1-nemotron-70b-instruct-hf bge-reranker-v2-m3 whisper-1 tts-1"
).split()
MODEL_TYPES = ("llm", "text-embedding", "rerank", "speech2text", "moderation", "tts")
EMBEDDERS = (("openai", "text-embedding-3-large"), ("openai", "text-embedding-3-small"), ("jina", "jina-embeddings-v3"))
TOOLS = (
    "google bing serper tavily duckduckgo wikipedia arxiv pubmed wolframalpha github gitlab slack discord feishu "
    "dingtalk notion firecrawl jina stability dalle yahoo maps weather time webscraper stackexchange twilio"
).split()
WORDS = (
    "the of and to in a is that for it as was with be by on not this have from or had which one you were all there "
    "would their we been has when who will more no if out so said what up its about than into them can only other new "
    "contract invoice policy customer support release deployment database migration security quarterly report meeting "
    "summary architecture onboarding handbook incident product roadmap research analysis pricing agreement training"
).split()
TEXT = Random(1).choices(WORDS, k=20_000)  # noqa: S311 - to be repeatable is the point
SUFFIXES = ("pdf", "md", "docx", "html")
LANGUAGES = ("en", "de", "fr", "es", "ja", "zh", "pt")

DATASETS, DOCUMENTS, SEGMENTS = 0.1, 2, 2
"""Datasets per provider, documents per dataset, passages per document."""

Row: TypeAlias = tuple[object, ...]
"""The values of a row; None is NULL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What is chosen; every other number of rows is in proportion to the providers."""

    providers: int
    tenants: int
    seed: int

    def most(self) -> int:
        """Returns the number of providers of the largest workspace."""
        return round(self.providers * log1p(SKEW / self.tenants) / log1p(SKEW))

    def identifier(self, kind: str, number: int) -> str:
        """Returns the uuid of the ``number``-th thing of a kind, so that no list of them has to be kept."""
        digits = blake2b(f"{self.seed}/{kind}/{number}".encode(), digest_size=16).hexdigest()
        return f"{digits[:12]}4{digits[13:16]}a{digits[17:]}"

    def owned(self, kind: str, share: float) -> Iterator[tuple[int, str, int, str]]:
        """Yields (number, id, ordinal, tenant_id) of ``share`` rows per provider: many for the first tenants.

        ``ordinal`` counts the rows of one tenant. The numbers per tenant fall like 1/x.
        """
        rows, number, tenant_id = int(self.providers * share), 0, ""
        for tenant in range(self.tenants):
            last = round(rows * log1p(SKEW * (tenant + 1) / self.tenants) / log1p(SKEW))
            if last > number:
                tenant_id = self.identifier("tenant", tenant)
            for ordinal in range(last - number):
                yield number, self.identifier(kind, number), ordinal, tenant_id
                number += 1


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its name, the columns that are filled, and what yields their values, escaped for COPY."""

    name: str
    columns: str
    rows: Callable[[Sizes, Random], Iterator[Row]]


def below(rng: Random, limit: int) -> int:
    """Returns a number from 0 to below ``limit``; ``randrange`` would take four times as long."""
    return int(rng.random() * limit)


def moment(minute: int) -> str:
    """Returns the time so many minutes after the first day, as PostgreSQL reads it."""
    day, minute = divmod(minute, len(CLOCK))
    return f"{DAYS[day]} {CLOCK[minute]}"


def times(rng: Random) -> tuple[str, str]:
    """Returns when a row was made and when it was last changed."""
    made = below(rng, MINUTES)
    at = moment(made)
    return at, at if rng.random() < 0.6 else moment(made + below(rng, MINUTES - made))


def secret(rng: Random) -> str:
    """Returns what the application stores for a key: JSON around a ciphertext, some 400 characters."""
    ciphertext = b64encode(rng.randbytes(240 + below(rng, 60))).decode("ascii")
    return f'{{"api_key": "SFlCUklEO{ciphertext}"}}'


def secret_or_less(number: int, rng: Random) -> str | None:
    """Returns a provider's secret: at three fixed places of every hundred it is empty, white space or NULL."""
    place = number % 100
    if place == MISSING:
        return None
    if place == BLANK:
        return ""
    return rng.choice(WHITESPACES) if place == WHITESPACE else secret(rng)


def sentence(rng: Random, words: int) -> str:
    """Returns a text of so many words, up to 100: a piece of one long text, which is quicker than to choose each."""
    start = below(rng, len(TEXT) - 100)
    return " ".join(TEXT[start : start + words])


def tenants(sizes: Sizes, rng: Random) -> Iterator[Row]:
    """Yields the workspaces."""
    for number in range(sizes.tenants):
        plan = "sandbox" if rng.random() < 0.8 else rng.choice(("professional", "team"))
        status = "archive" if rng.random() < 0.02 else "normal"
        yield sizes.identifier("tenant", number), f"{sentence(rng, 2)} workspace", plan, status, *times(rng)


def providers(sizes: Sizes, rng: Random) -> Iterator[Row]:
    """Yields the providers of all workspaces; those with one or two have popular ones."""
    start = 0
    for number, id_, ordinal, tenant_id in sizes.owned("provider", 1):
        if ordinal == 0:
            start = int(12 * rng.random() ** 2)
        name, kind, quota = OFFERS[(start + ordinal) % len(OFFERS)]
        limit, used = (200, below(rng, 201)) if quota else (None, 0)
        made, changed = times(rng)
        last_used = changed if rng.random() < 0.7 else None
        is_valid = rng.random() < 0.95
        config = secret_or_less(number, rng)
        yield id_, tenant_id, name, kind, config, is_valid, last_used, quota, limit, used, made, changed


def named_models(sizes: Sizes, kind: str, share: float) -> Iterator[tuple[int, Row]]:
    """Yields (ordinal, values) of rows that begin with id, tenant_id, provider_name, model_name, model_type."""
    for _, id_, ordinal, tenant_id in sizes.owned(kind, share):
        turn, place = divmod(ordinal, len(MODELS))
        provider = PROVIDERS[turn % len(PROVIDERS)]
        yield ordinal, (id_, tenant_id, provider, MODELS[place], MODEL_TYPES[ordinal % len(MODEL_TYPES)])


def provider_models(sizes: Sizes, rng: Random) -> Iterator[Row]:
    """Yields the models that workspaces configured."""
    for _, row in named_models(sizes, "model", 0.2):
        yield *row, secret(rng), rng.random() < 0.95, *times(rng)


def model_settings(sizes: Sizes, rng: Random) -> Iterator[Row]:
    """Yields the switches of models."""
    for _, row in named_models(sizes, "setting", 0.1):
        yield *row, rng.random() < 0.9, rng.random() < 0.2, *times(rng)


def balancing(sizes: Sizes, rng: Random) -> Iterator[Row]:
    """Yields the configurations among which calls are shared out."""
    for ordinal, row in named_models(sizes, "balancing", 0.05):
        yield *row, f"key-{ordinal + 1}", secret(rng), *times(rng)


def default_models(sizes: Sizes, rng: Random) -> Iterator[Row]:
    """Yields the default models: at most one of a workspace for each type of model."""
    for ordinal, row in named_models(sizes, "default", 0.12):
        if ordinal < len(MODEL_TYPES):
            yield *row, *times(rng)


def preferred_providers(sizes: Sizes, rng: Random) -> Iterator[Row]:
    """Yields whose credentials a workspace prefers."""
    for _, id_, ordinal, tenant_id in sizes.owned("preferred", 0.1):
        kind = "custom" if rng.random() < 0.8 else "system"
        yield id_, tenant_id, PROVIDERS[ordinal % len(PROVIDERS)], kind, *times(rng)


def orders(sizes: Sizes, rng: Random) -> Iterator[Row]:
    """Yields the quotas that were bought."""
    for _, id_, _, tenant_id in sizes.owned("order", 0.02):
        quantity = 1 + below(rng, 19)
        yield id_, tenant_id, rng.choice(PROVIDERS[:4]), quantity, "usd", 1000 * quantity, "paid", *times(rng)


def tools(sizes: Sizes, rng: Random) -> Iterator[Row]:
    """Yields tools of both kinds; every third is described by an API and has a schema."""
    for number, id_, ordinal, tenant_id in sizes.owned("tool", 0.05):
        is_api = number % 3 == 0 or ordinal >= len(TOOLS)
        kind, name = ("api", f"{rng.choice(TOOLS)}-{ordinal}") if is_api else ("builtin", TOOLS[ordinal])
        schema = f'{{"openapi": "3.1.0", "info": {{"title": "{sentence(rng, 40)}"}}}}' if is_api else None
        yield id_, tenant_id, sizes.identifier("user", number), kind, name, schema, secret(rng), *times(rng)


def datasets(sizes: Sizes, rng: Random) -> Iterator[Row]:
    """Yields the datasets."""
    for number, id_, _, tenant_id in sizes.owned("dataset", DATASETS):
        place = rng.randrange(len(EMBEDDERS))
        provider, model = EMBEDDERS[place]
        binding = sizes.identifier("binding", place)
        text = sentence(rng, 3), sentence(rng, 5 + below(rng, 20))
        user = sizes.identifier("user", number)
        yield id_, tenant_id, *text, "high_quality", user, *times(rng), model, provider, binding


def documents(sizes: Sizes, rng: Random) -> Iterator[Row]:
    """Yields the documents, as many for each dataset; three in five carry metadata."""
    for dataset, dataset_id, _, tenant_id in sizes.owned("dataset", DATASETS):
        for position in range(1, DOCUMENTS + 1):
            document = dataset * DOCUMENTS + position
            name = f"{sentence(rng, 3).replace(' ', '-')}.{rng.choice(SUFFIXES)}"
            user = sizes.identifier("user", dataset)
            kind, metadata = ("business_document", metadata_of(rng)) if rng.random() < 0.6 else (None, None)
            id_ = sizes.identifier("document", document)
            row = position, name, 50 + below(rng, 8950), "completed", rng.random() < 0.97, user
            yield id_, tenant_id, dataset_id, *row, *times(rng), kind, metadata


def metadata_of(rng: Random) -> str:
    """Returns the metadata of a document as the application writes it: JSON with its keys in no order."""
    pages, language = 1 + below(rng, 399), rng.choice(LANGUAGES)
    title, author = sentence(rng, 5), sentence(rng, 2)
    return f'{{"title": "{title}", "author": "{author}", "language": "{language}", "pages": {pages}}}'


def segments(sizes: Sizes, rng: Random) -> Iterator[Row]:
    """Yields the passages of the documents."""
    for dataset, dataset_id, _, tenant_id in sizes.owned("dataset", DATASETS):
        for place in range(DOCUMENTS * SEGMENTS):
            document_id = sizes.identifier("document", dataset * DOCUMENTS + place // SEGMENTS + 1)
            id_ = sizes.identifier("segment", dataset * DOCUMENTS * SEGMENTS + place)
            words = 20 + below(rng, 70)
            row = place % SEGMENTS + 1, sentence(rng, words), words, below(rng, 40), times(rng)[0]
            yield id_, tenant_id, dataset_id, document_id, *row


def embeddings(sizes: Sizes, rng: Random) -> Iterator[Row]:
    """Yields the cached vectors: 256 numbers of four bytes."""
    for number in range(int(sizes.providers * 0.1)):
        provider, model = rng.choice(EMBEDDERS)
        id_, digest = sizes.identifier("embedding", number), rng.randbytes(32).hex()
        yield id_, digest, rf"\\x{rng.randbytes(1024).hex()}", times(rng)[0], model, provider


def bindings(sizes: Sizes, rng: Random) -> Iterator[Row]:
    """Yields the vector collections: one for each embedding model."""
    for place, (provider, model) in enumerate(EMBEDDERS if sizes.providers else ()):
        id_ = sizes.identifier("binding", place)
        yield id_, provider, model, f"Vector_index_{id_[:8]}_Node", times(rng)[0]


TIMES = "created_at, updated_at"
MODEL = "id, tenant_id, provider_name, model_name, model_type"
TABLES = (
    Table("tenants", f"id, name, plan, status, {TIMES}", tenants),
    Table(
        "providers",
        "id, tenant_id, provider_name, provider_type, encrypted_config, is_valid, last_used, quota_type, quota_limit, "
        f"quota_used, {TIMES}",
        providers,
    ),
    Table("provider_models", f"{MODEL}, encrypted_config, is_valid, {TIMES}", provider_models),
    Table("provider_model_settings", f"{MODEL}, enabled, load_balancing_enabled, {TIMES}", model_settings),
    Table("load_balancing_model_configs", f"{MODEL}, name, encrypted_config, {TIMES}", balancing),
    Table("tenant_default_models", f"{MODEL}, {TIMES}", default_models),
    Table(
        "tenant_preferred_model_providers",
        f"id, tenant_id, provider_name, preferred_provider_type, {TIMES}",
        preferred_providers,
    ),
    Table(
        "provider_orders",
        f"id, tenant_id, provider_name, quantity, currency, total_amount, payment_status, {TIMES}",
        orders,
    ),
    Table("tool_providers", f"id, tenant_id, user_id, kind, name, schema, encrypted_credentials, {TIMES}", tools),
    Table(
        "datasets",
        f"id, tenant_id, name, description, indexing_technique, created_by, {TIMES}, embedding_model, "
        "embedding_model_provider, collection_binding_id",
        datasets,
    ),
    Table("dataset_collection_bindings", "id, provider_name, model_name, collection_name, created_at", bindings),
    Table(
        "documents",
        "id, tenant_id, dataset_id, position, name, word_count, indexing_status, enabled, created_by, "
        f"{TIMES}, doc_type, doc_metadata",
        documents,
    ),
    Table(
        "document_segments",
        "id, tenant_id, dataset_id, document_id, position, content, word_count, hit_count, created_at",
        segments,
    ),
    Table("embeddings", "id, hash, embedding, created_at, model_name, provider_name", embeddings),
)
"""Every table of the revision before the pool, in the order in which they are filled."""
