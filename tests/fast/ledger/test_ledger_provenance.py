"""PROV documents: the `prov` library takes them back as they were, and walks them to the raw files."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prov.model import ProvActivity, ProvAgent, ProvDerivation, ProvDocument, ProvEntity, ProvInfluence
from written import raw, run, write

from osa_luigi.errors import ProductError
from osa_luigi.ledger.find import find_product
from osa_luigi.ledger.folding import fold
from osa_luigi.ledger.lineage import Books, Lineage, trace
from osa_luigi.ledger.making import Source
from osa_luigi.ledger.picture import dot, draw
from osa_luigi.ledger.provenance import document, identified, summary
from osa_luigi.products.linking import link_product
from osa_luigi.products.production import Production

DL2 = "tailcut84/dl2_LST-1.Run02003.h5"


@pytest.fixture
def made(tmp_path: Path) -> Production:
    production = Production(tmp_path / "running_analysis" / "20241115" / "v1")
    run(production, tmp_path / "R0" / "20241115")
    return production


def lineage_of(production: Production, place: str = DL2) -> Lineage:
    books = Books()
    return trace([find_product(production.root / place, books, None).making], books)


def terms(record: Any) -> dict[str, Any]:
    """What a record tells: name → value."""
    return {name.localpart: value for name, value in record.attributes}


def walk(doc: ProvDocument, start: str) -> set[str]:
    """All entities that one was derived from, by the document alone."""
    sources: dict[str, set[str]] = {}
    for record in doc.get_records(ProvDerivation):
        told = terms(record)
        sources.setdefault(str(told["generatedEntity"]), set()).add(str(told["usedEntity"]))
    seen, ahead = set[str](), [start]
    while ahead:
        for one in sources.get(ahead.pop(), set()) - seen:
            seen.add(one)
            ahead.append(one)
    return seen


def test_a_document_comes_back_as_it_was(made: Production) -> None:
    doc = document(lineage_of(made))
    again = ProvDocument.deserialize(content=doc.serialize(format="json"), format="json")
    assert again == doc
    assert again.flattened() == doc.flattened()
    assert len(again.unified().records) == len(doc.records)  # nothing is told twice
    assert doc.get_provn().startswith("document")


def test_a_dl2_file_is_walked_to_raw_and_all_hashes_are_right(made: Production) -> None:
    doc = document(lineage_of(made))
    entities = {str(entity.identifier): terms(entity) for entity in doc.get_records(ProvEntity)}
    (dl2,) = [name for name, told in entities.items() if told.get("level") == "DL2"]
    reached = [entities[name] for name in [dl2, *walk(doc, dl2)]]
    products = [told for told in reached if "sha256" in told]
    raws = [told for told in reached if told.get("level") == "R0"]
    assert (len(products), len(raws)) == (9, 13)  # the muons of a subrun lead to no DL2
    for told in products:
        content = Path(told["location"]).read_bytes()
        assert told["sha256"] == hashlib.sha256(content).hexdigest()
        assert told["size"] == len(content)
    for told in raws:
        assert told["size"] == Path(told["location"]).stat().st_size
        assert "sha256" not in told
        assert told["identifiedBy"] == "name and size: no hash was taken"


def test_attempts_and_software_are_told(made: Production) -> None:
    doc = document(lineage_of(made))
    activities = {terms(one)["label"]: one for one in doc.get_records(ProvActivity)}
    dl2 = activities["dl2 Run02003"]
    assert dl2.get_startTime().isoformat() == "2024-11-16T04:00:00+00:00"
    assert dl2.get_endTime().isoformat() == "2024-11-16T04:30:00+00:00"
    assert {name: terms(dl2)[name] for name in ("host", "exit_code", "cpu_s", "step")} == {
        "host": "node1",
        "exit_code": 0,
        "cpu_s": 12.5,
        "step": "dl2",
    }
    (software,) = doc.get_records(ProvAgent)
    assert terms(software)["lstchain"] == "0.12.3"
    assert summary([doc])["Association"] == len(activities) == 9


def test_configurations_are_told_with_their_content(made: Production) -> None:
    path = made.write_config({"threshold": 8})
    sha256 = hashlib.sha256(b'{"threshold":8}').hexdigest()
    write(made, "tailcuts", "Run02003", {"tailcuts": "tailcuts.Run02003.json"}, settings={"config": sha256})
    doc = document(lineage_of(made, "tailcuts.Run02003.json"))
    (told,) = [terms(one) for one in doc.get_records(ProvEntity) if "contentSha256" in terms(one)]
    assert (told["location"], json.loads(told["content"])) == (str(path), {"threshold": 8})
    path.write_text('{"threshold": 10}')
    doc = document(lineage_of(made, "tailcuts.Run02003.json"))
    (told,) = [terms(one) for one in doc.get_records(ProvEntity) if "contentSha256" in terms(one)]
    assert "content" not in told  # of another content than was used, none is claimed


def test_a_linked_product_is_an_alternate_of_the_one_there(made: Production) -> None:
    other = Production(made.root.parent / "v2")
    books = Books()
    books.names(made)
    receipt = books._books[made].receipt("dl2.Run02003")
    assert receipt is not None
    assert link_product(made, receipt, other)
    assert summary([document(lineage_of(other))])["Alternate"] == 1


def discard(production: Production, *told: Any, linked_from: str = "") -> list[str]:
    """Who is named in the document of a merge whose receipt tells of decisions."""
    merged = {"dl1": "tailcut84/dl1_LST-1.Run02003.h5"}
    write(production, "merge_dl1", "Run02003", merged, counts={"decisions": list(told)}, linked_from=linked_from)
    doc = document(lineage_of(production, merged["dl1"]))
    influences = [terms(one) for one in doc.get_records(ProvInfluence)]
    assert all(str(one["influencee"]) == "attempt:20241115/v1/merge_dl1.Run02003.1" for one in influences)
    return sorted(str(one["influencer"]) for one in influences) + sorted(
        str(agent.identifier) for agent in doc.get_records(ProvAgent) if agent.identifier.namespace.prefix != "software"
    )


CLOUDS = {"number": 1, "kind": "discard", "unit": "Run02003.0003", "by": "person", "reason": "clouds"}


def test_decisions_that_a_merge_respected_are_told_with_who_made_them(made: Production) -> None:
    folder = made.state / "decisions"
    folder.mkdir(parents=True)
    more = {"format": 1, "user": "ada", "host": "node1", "when": "2024-11-16T02:45:00.000+00:00", "undoes": []}
    (folder / "0001.json").write_text(json.dumps({**CLOUDS, **more}))
    (folder / "0002.json").write_text("{")
    policy = {**CLOUDS, "number": 2, "unit": "Run02003.0004", "by": "no_interleaved"}
    assert discard(made, CLOUDS, policy) == [
        "decision:20241115/v1/1",
        "decision:20241115/v1/2",
        "person:ada",
        "policy:no_interleaved",
    ]


def test_a_decision_behind_a_linked_merge_is_the_other_production_s(made: Production) -> None:
    assert discard(made, CLOUDS, linked_from="v0") == ["decision:20241115/v0/1", "person:unknown"]


def test_what_is_no_decision_is_passed_over(made: Production) -> None:
    assert discard(made, "clouds", {"kind": "discard"}, None) == []


@settings(max_examples=60)
@given(
    st.one_of(
        st.none(),
        st.text(max_size=20),
        st.dictionaries(
            st.sampled_from(["name", "size", "sha256", "files", "interval", "log", "run_id", "é\n"]),
            st.one_of(st.integers(0, 2**50), st.text(max_size=8), st.lists(st.integers(), max_size=2)),
        ),
    )
)
def test_any_identity_of_a_foreign_file_is_told_in_words(identity: Any) -> None:
    told = identified(Source("raw", "/data/file", "", identity))
    assert told["identifiedBy"]
    claims = {"endsSha256", "identity"} & told.keys()
    assert claims or "no hash" in told["identifiedBy"] or "alone" in told["identifiedBy"]


# ---- the picture -----------------------------------------------------------------------------------------------


def test_a_picture_of_three_subruns_has_one_box_for_them(made: Production) -> None:
    text = "\n".join(dot(fold(lineage_of(made)), {"dl2"}))
    assert text.count("shape=box") == 5
    assert "3 × dl1ab of Run02003, all alike" in text
    assert "12 × raw" in text
    assert "muons" not in text  # nothing here was made from them


def test_names_that_graphviz_could_misread_are_quoted(tmp_path: Path) -> None:
    production = Production(tmp_path / "20241115" / "v1")
    write(production, "odd", "night", {"x": 'a"b\\n.txt'}, [raw(tmp_path, 'r"]; evil [')])
    lines = list(dot(fold(lineage_of(production, 'a"b\\n.txt')), set()))
    assert any(r"\"]; evil [" in line for line in lines)


def test_graphviz_draws_where_it_is_installed(
    made: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Graphviz stands beside: a script that takes the text and gives bytes is enough to see that it is called rightly."""
    tool = tmp_path / "bin" / "dot"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\necho "drawn $1"\nexec cat\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    out = tmp_path / "dl2.svg"
    draw(fold(lineage_of(made)), out)
    assert out.read_text().startswith("drawn -Tsvg\ndigraph provenance {")
    tool.write_text("#!/bin/sh\necho no such plugin >&2\nexit 1\n")
    with pytest.raises(ProductError, match="no such plugin"):
        draw(fold(lineage_of(made)), out)


def test_without_graphviz_its_language_is_written_and_the_rest_explained(
    made: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    draw(fold(lineage_of(made)), tmp_path / "dl2.dot")
    assert (tmp_path / "dl2.dot").read_text().startswith("digraph")
    with pytest.raises(ProductError, match="apt-get install graphviz"):
        draw(fold(lineage_of(made)), tmp_path / "dl2.svg")
    assert not (tmp_path / "dl2.svg").exists()
