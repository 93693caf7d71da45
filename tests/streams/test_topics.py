"""What topics are asked for; making them on real brokers is tested in tests/integration."""

from __future__ import annotations

from streams import topics
from streams.settings import Settings


def settings(**sections: object) -> Settings:
    return Settings.model_validate({"brands": [{"name": "Acme"}], **sections})


def test_the_topics_carry_prefix_partitions_retention_and_compaction() -> None:
    wanted = topics.specs(settings(topics={"prefix": "eu.", "partitions": 6, "replication": 3}))
    assert [spec.name for spec in wanted] == [
        "eu.mentions",
        "eu.mentions.scored",
        "eu.mentions.rejected",
        "eu.crisis.events",
        "eu.crisis.state",
        "eu.crisis.commands",
    ]
    assert {spec.partitions for spec in wanted} == {6}
    assert {spec.replication for spec in wanted} == {3}
    assert [spec.configs["cleanup.policy"] for spec in wanted] == ["delete"] * 4 + ["compact", "delete"]
    assert wanted[0].configs["retention.ms"] == str(7 * 24 * 3_600_000)
    assert "retention.ms" not in wanted[4].configs


def test_any_record_that_comes_in_fits_into_the_topics_it_goes_to() -> None:
    for limit in (1000, 1_000_000, 5_000_000):
        arrival, *later = (
            int(spec.configs["max.message.bytes"]) for spec in topics.specs(settings(limits={"record_bytes": limit}))
        )
        assert arrival > limit, "the broker must not refuse what we mean to refuse with a reason"
        assert min(later) >= arrival + 10_000, "a rejected record carries headers, a scored one its tone"


def test_a_difference_reads_like_a_sentence() -> None:
    difference = topics.Difference("mentions", "number of partitions", "1", "4", fatal=True)
    assert str(difference) == "mentions: number of partitions is 1, should be 4"
