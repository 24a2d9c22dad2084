"""Airflow DAG `news_topics`: BERT model that labels messages with their topics, retrained daily."""

from datetime import date

from millrace.contracts.data import Column, Dataset, Expectations, Source, Split, Target
from millrace.contracts.workload import GatePolicy, Training, Workload
from millrace.pipeline import build_dag

TOPICS = (
    "alt", "atheism", "autos", "baseball", "christian", "comp", "crypt", "electronics", "forsale", "graphics", "guns",
    "hardware", "hockey", "ibm", "mac", "med", "mideast", "misc", "motorcycles", "ms-windows", "os", "pc", "politics",
    "rec", "religion", "sci", "soc", "space", "sport", "sys", "talk", "windows", "x",
)  # fmt: skip

dag = build_dag(
    Workload(
        name="news_topics",
        description="Labels a message with its topics: multi-label classification, MiniLM-L6 BERT fine-tuned in Keras.",
        owner="ml-platform",
        team="news",
        start=date(2026, 1, 1),
        dataset=Dataset(
            source=Source(uri_template="{arrivals}/news_topics/{partition}.jsonl", format="jsonl"),
            columns=(
                Column(name="id", type="string", min_length=1, max_length=64),
                Column(name="text", type="string", min_length=1, max_length=1_000_000),
                Column(name="labels", type="list<string>", min_length=1, max_length=8),
                Column(name="split", type="string"),
            ),
            features=("text",),
            target=Target(column="labels", kind="multi_label", labels=TOPICS),
            split=Split(key="id", column="split"),
            unique_by=("text",),
            expectations=Expectations(min_rows=10),
        ),
        training=Training(
            trainer="bert_text_classifier",
            base_model="minilm-l6",
            epochs=3,
            batch_size=32,
            learning_rate=3e-4,
            max_length=64,
        ),
        gate=GatePolicy(metric="micro_f1", quality_floor=0.5),
    )
)
