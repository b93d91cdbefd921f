"""The engine's decisions, one by one; tests/simulation plays them through together."""

from __future__ import annotations

from dataclasses import replace

import pytest
from slurm_work import ASKED, SETTINGS, Driver, recall, seen, wish

from osa_luigi.batch.slurm import exchange as ex
from osa_luigi.batch.slurm import model as m
from osa_luigi.batch.slurm import states
from osa_luigi.batch.slurm.policies import Asked, Failure, Policies
from osa_luigi.batch.slurm.states import Cause


class TestSubmitting:
    def test_the_subruns_of_a_run_are_one_array_by_their_numbers(self) -> None:
        engine = Driver()
        engine.want(wish(0), wish(1), wish(5))
        intend, submit = engine.tick()
        assert isinstance(intend, ex.Intend)
        assert list(intend.array.elements) == [0, 1, 5]
        assert submit == ex.Submit(intend.array.name)
        assert ".g1." in intend.array.name

    def test_each_run_is_an_array_of_its_own(self) -> None:
        engine = Driver()
        engine.want(wish(0), wish(0, run=2002))
        engine.tick()
        assert {array.group for array in engine.state.arrays.values()} == {"Run2001.dl1", "Run2002.dl1"}

    def test_an_array_is_no_larger_than_it_may_be(self) -> None:
        engine = Driver(replace(SETTINGS, array_size=100))
        engine.want(*(wish(number) for number in range(250)))
        engine.tick()
        assert sorted(len(array.elements) for array in engine.state.arrays.values()) == [50, 100, 100]

    def test_indices_above_what_the_cluster_takes_are_counted_anew(self) -> None:
        engine = Driver(replace(SETTINGS, max_index=100))
        engine.want(wish(99), wish(100), wish(101))
        engine.tick()
        assert list(engine.array.elements) == [0, 1, 2]

    @pytest.mark.parametrize("seen_between", [True, False])
    def test_what_a_node_could_not_start_is_released_after_a_while_and_not_for_ever(self, seen_between: bool) -> None:
        engine = Driver().running(wish(0))
        held = seen("PENDING", reason=states.UNSTARTED)
        engine.queue(held)
        engine.later(10).queue(held)
        assert not engine.asked_for(ex.Release)
        release = ex.Release(engine.array.name, 7, (0,))
        for times in (1, 2):
            engine.later(30).queue(held)
            assert engine.asked_for(ex.Release) == [release] * times
            engine.hear(ex.Released(engine.now, engine.array.name, (0,)))
            if seen_between:
                engine.queue(seen("PENDING", reason="Priority"))
            engine.queue(held)
        assert not any("scontrol" in said.text for said in engine.asked_for(ex.Say))
        engine.later(30).queue(held)
        engine.later(300).queue(held)
        assert len(engine.asked_for(ex.Release)) == 2
        assert "`scontrol release 7`" in engine.asked_for(ex.Say)[-1].text

    def test_a_release_that_was_lost_counts_for_nothing(self) -> None:
        engine = Driver().running(wish(0))
        for _ in range(6):
            engine.later(30).queue(seen("PENDING", reason=states.UNSTARTED))
        assert len(engine.asked_for(ex.Release)) == 5

    def test_what_started_after_its_release_may_be_released_again(self) -> None:
        engine = Driver().running(wish(0))
        engine.queue(seen("PENDING", reason=states.UNSTARTED))
        engine.later(30).queue(seen("RUNNING"))
        engine.later(300).queue(seen("PENDING", reason=states.UNSTARTED))
        assert not engine.asked_for(ex.Release)
        engine.later(30).queue(seen("PENDING", reason=states.UNSTARTED))
        assert engine.asked_for(ex.Release)

    def test_several_short_subruns_share_an_element(self) -> None:
        engine = Driver(replace(SETTINGS, subruns_per_job=2))
        engine.want(*(wish(number) for number in range(5)))
        engine.tick()
        assert [len(element.jobs) for element in engine.array.elements.values()] == [2, 2, 1]
        assert list(engine.array.elements) == [0, 2, 4]

    def test_what_is_of_whole_runs_shares_an_allocation_by_a_number_of_its_own(self) -> None:
        engine = Driver(replace(SETTINGS, subruns_per_job=2, runs_per_job=3))
        merges = [m.Wish(f"merge.{run}", "merge", "merge_dl1", ASKED) for run in range(2001, 2006)]
        engine.want(*merges)
        engine.tick()
        assert [len(element.jobs) for element in engine.array.elements.values()] == [3, 2]

    def test_a_job_in_flight_that_is_asked_for_again_is_not_submitted_again(self) -> None:
        engine = Driver().running(wish(0))
        assert not engine.want(wish(0))
        assert not engine.later(60).tick()

    def test_no_more_is_in_flight_than_allowed(self) -> None:
        engine = Driver(replace(SETTINGS, in_flight=3))
        engine.want(*(wish(number) for number in range(5)))
        engine.tick()
        assert len(engine.array.elements) == 3
        assert not engine.tick()

    def test_what_waits_for_riders_is_held_until_their_elements_are_over(self) -> None:
        engine = Driver().running(wish(0, riders=("datacheck.Run2001.0000",)))
        engine.queue(seen("RUNNING"), notes=(engine.note(),))
        engine.want(wish(1, group="Run2001.datacheck", after=("datacheck.Run2001.0000",)))
        assert not engine.tick()
        engine.later(30).queue(seen("RUNNING"), notes=(ex.Note(engine.array.name, 0),))
        assert engine.tick()

    def test_a_refusal_for_good_is_told_with_the_words_of_sbatch(self) -> None:
        engine = Driver()
        engine.want(wish(0))
        engine.tick()
        engine.hear(ex.Refused(engine.now, engine.array.name, "invalid partition specified: shorty."))
        [told] = [c for c in engine.commands if isinstance(c, ex.Tell)]
        assert told.kind == "given up"
        assert "shorty" in told.text
        assert "executor.slurm" in told.text
        assert not engine.state.arrays


class TestALostReply:
    def lost(self) -> Driver:
        engine = Driver()
        engine.want(wish(0))
        engine.tick()
        engine.hear(ex.Unanswered(engine.now, engine.array.name, "sbatch timed out."))
        engine.commands.clear()
        return engine

    def test_the_name_is_looked_up_and_found(self) -> None:
        engine = self.lost()
        assert engine.tick() == [ex.Look(engine.array.name)]
        name = engine.array.name
        said = ex.Say(f"{name} is with SLURM, as 12.")
        assert engine.hear(ex.Looked(engine.now, name, (12,))) == [ex.Remember(name, 12), said]

    def test_nothing_is_submitted_while_nobody_knows(self) -> None:
        engine = self.lost()
        for _ in range(20):
            assert all(isinstance(command, ex.Look) for command in engine.later(60).tick())

    def test_only_looks_over_some_time_say_that_it_never_was(self) -> None:
        engine = self.lost()
        name = engine.array.name
        for _ in range(3):
            engine.hear(ex.Looked(engine.now, name, ()))
        assert name in engine.state.arrays
        engine.hear(ex.Looked(engine.later(SETTINGS.lookup_s).now, name, ()))
        assert name not in engine.state.arrays
        assert [type(c) for c in engine.tick()] == [ex.Intend, ex.Submit]
        assert engine.array.name != name

    def test_one_that_comes_up_after_all_is_cancelled(self) -> None:
        engine = self.lost()
        name = engine.array.name
        for _ in range(4):
            engine.hear(ex.Looked(engine.later(SETTINGS.lookup_s).now, name, ()))
        engine.tick()
        assert ex.Cancel(31) in engine.queue(seen("PENDING", job=31), array=name)

    def test_the_queue_may_show_it_first(self) -> None:
        engine = self.lost()
        assert ex.Remember(engine.array.name, 44) in engine.queue(seen("RUNNING", job=44))


class TestWhatSlurmDoesNotSay:
    def test_no_answer_is_no_news(self) -> None:
        engine = Driver().running(wish(0))
        for _ in range(50):
            assert not engine.later(600).silence()
        assert engine.job().phase is m.Phase.PLACED

    @pytest.mark.parametrize(
        ("state", "cause", "phase"),
        [("TIMEOUT", Cause.TIME, m.Phase.READY), ("CANCELLED", Cause.CANCELLED, m.Phase.GIVEN_UP)],
    )
    def test_an_element_that_left_the_queue_is_looked_for_in_the_accounting(
        self, state: str, cause: Cause, phase: m.Phase
    ) -> None:
        engine = Driver().running(wish(0))
        assert engine.later(60).queue() == [ex.Account({engine.array.name: 7})]
        engine.hear(ex.Accounted(engine.now, {engine.array.name: {0: seen(state)}}))
        engine.later(100).queue()
        engine.hear(ex.Checked(engine.now, {"dl1.2001.0": False}))
        assert (engine.job().failures[0].cause, engine.job().phase) == (cause, phase)

    def test_an_accounting_of_an_earlier_job_of_the_same_id_is_none(self) -> None:
        engine = Driver().running(wish(0))
        engine.later(60).queue()
        engine.hear(ex.Accounted(engine.now, {engine.array.name: {0: seen("TIMEOUT", job=99)}}))
        assert engine.job().phase is m.Phase.PLACED

    def test_only_after_some_looks_over_some_time_it_has_vanished(self) -> None:
        engine = Driver().running(wish(0))
        for _ in range(4):
            engine.later(30).queue()
            engine.hear(ex.Accounted(engine.now, {}))
        assert engine.asked_for(ex.Check)
        engine.hear(ex.Checked(engine.now, {"dl1.2001.0": False}))
        assert engine.job().failures[0].cause is Cause.VANISHED
        assert engine.job().phase is m.Phase.READY

    def test_what_vanished_and_is_made_is_done(self) -> None:
        engine = Driver().running(wish(0))
        for _ in range(4):
            engine.later(30).queue()
            engine.hear(ex.Accounted(engine.now, {}))
        engine.hear(ex.Checked(engine.now, {"dl1.2001.0": True}))
        assert engine.told("done") == ["dl1.2001.0"]

    def test_a_look_from_before_the_submission_says_nothing(self) -> None:
        engine = Driver()
        engine.want(wish(0))
        engine.tick()
        engine.hear(ex.Sent(engine.now, engine.array.name, 7))
        assert not engine.hear(ex.Polled(engine.now + 1, (), engine.now - 5, {}))

    def test_a_record_that_is_late_is_waited_for(self) -> None:
        engine = Driver().running(wish(0))
        engine.later(10).queue(seen("COMPLETED"))
        assert not engine.asked_for(ex.Check)
        engine.later(40).queue(seen("COMPLETED"), notes=(engine.note(),))
        assert engine.told("done") == ["dl1.2001.0"]


class TestAfterAFailure:
    def ended(self, cause: Cause, state: str = "FAILED", settings: m.Settings = SETTINGS, **more: int) -> Driver:
        engine = Driver(settings).running(wish(0))
        engine.later(10).queue(seen(state, **more), notes=(engine.note(cause=cause),))
        return engine

    def test_a_tool_that_failed_would_fail_again(self) -> None:
        engine = self.ended(Cause.TOOL)
        assert engine.told("given up") == ["dl1.2001.0"]
        assert [command.job for command in engine.asked_for(ex.GiveUp)] == ["dl1.2001.0"]

    def test_what_was_given_up_is_answered_without_running(self) -> None:
        engine = self.ended(Cause.TOOL)
        [told] = engine.want(wish(0))
        assert isinstance(told, ex.Tell)
        assert told.kind == "given up"
        assert "osa retry" in told.text
        assert not engine.tick()

    def test_with_other_settings_it_is_another_job(self) -> None:
        engine = self.ended(Cause.TOOL)
        engine.want(wish(0, key="other"))
        assert engine.tick()

    def test_a_running_job_whose_settings_changed_is_cancelled(self) -> None:
        engine = Driver().running(wish(0))
        assert recall(0) in engine.want(wish(0, key="other"))
        assert not engine.tick(), "the old one may be about to commit"
        assert engine.later(SETTINGS.grace_s).tick()

    def test_what_was_forgiven_is_tried_again(self) -> None:
        engine = self.ended(Cause.TOOL)
        engine.hear(ex.Forgiven(engine.now, ("dl1.2001.0",)))
        assert engine.told("again") == ["dl1.2001.0"]
        assert engine.tick()

    def test_short_of_memory_it_asks_for_more_and_that_is_remembered(self) -> None:
        engine = self.ended(Cause.MEMORY)
        engine.tick()
        assert engine.array.asked.memory_mb == 3000
        engine.hear(ex.Sent(engine.now, engine.array.name, 8))
        engine.later(30).queue(seen("COMPLETED", job=8), notes=(engine.note(),))
        assert engine.asked_for(ex.Learn) == [ex.Learn("r0_to_dl1", ASKED, replace(ASKED, memory_mb=3000))]

    def test_a_kill_that_slurm_explains_counts_as_what_it_was(self) -> None:
        engine = self.ended(Cause.KILLED, "OUT_OF_MEMORY")
        assert engine.job().failures[0].cause is Cause.MEMORY

    @pytest.mark.parametrize(("state", "cause"), [("FAILED", Cause.MEMORY), ("CANCELLED", Cause.CANCELLED)])
    def test_a_kill_that_only_the_output_explains(self, state: str, cause: Cause) -> None:
        engine = Driver().running(wish(0))
        for pause in (10, 100):
            engine.later(pause).queue(seen(state, signal=9))
        engine.hear(ex.Checked(engine.now, {"dl1.2001.0": False}, frozenset({"dl1.2001.0"})))
        assert engine.job().failures[0].cause is cause
        assert (engine.job().asked.memory_mb > ASKED.memory_mb) is (cause is Cause.MEMORY)

    def test_a_kill_is_not_judged_before_slurm_has_spoken(self) -> None:
        engine = Driver().running(wish(0))
        engine.later(10).queue(seen("RUNNING"), notes=(engine.note(cause=Cause.KILLED), ex.Note(engine.array.name, 0)))
        assert not engine.job().failures

    def test_memory_grows_up_to_its_cap_and_then_no_more(self) -> None:
        settings = replace(SETTINGS, policies=Policies(memory_cap_mb=2500))
        engine = self.ended(Cause.MEMORY, settings=settings)
        assert engine.job().asked.memory_mb == 2500
        engine.tick()
        engine.hear(ex.Sent(engine.now, engine.array.name, 8))
        engine.later(10).queue(seen("FAILED", job=8), notes=(engine.note(cause=Cause.MEMORY),))
        assert engine.told("given up") == ["dl1.2001.0"]

    def test_elements_that_failed_go_into_an_array_of_their_own_by_the_same_indices(self) -> None:
        engine = Driver().running(*(wish(number) for number in range(5)))
        notes = (engine.note(1, Cause.MEMORY), engine.note(3, Cause.MEMORY))
        states = {1: "FAILED", 3: "FAILED"}
        engine.queue(*(seen(states.get(number, "RUNNING"), number) for number in range(5)), notes=notes)
        [intend, _] = engine.tick()
        assert isinstance(intend, ex.Intend)
        assert list(intend.array.elements) == [1, 3]

    def test_a_straggler_holds_back_nobody(self) -> None:
        engine = Driver().running(wish(0), wish(1))
        engine.queue(seen("COMPLETED"), seen("RUNNING", 1), notes=(engine.note(0),))
        assert engine.told("done") == ["dl1.2001.0"]

    def test_a_lost_copy_that_finished_all_the_same_is_not_made_again(self) -> None:
        engine = Driver().running(wish(0), wish(1))
        note = engine.note()
        for pause in (20, 20, 100):
            engine.later(pause).queue(seen("NODE_FAIL"), seen("RUNNING", 1))
        engine.hear(ex.Checked(engine.now, {"dl1.2001.0": False}))
        assert engine.job().phase is m.Phase.READY
        assert engine.silence(note) == [ex.Check(("dl1.2001.0",))]
        engine.hear(ex.Checked(engine.now, {"dl1.2001.0": True}))
        assert engine.told("done") == ["dl1.2001.0"]
        assert not engine.later(60).tick()


def test_an_array_is_put_away_once_nothing_more_is_expected_of_it() -> None:
    engine = Driver().running(wish(0), wish(1))
    name = engine.array.name
    engine.queue(seen("COMPLETED"), seen("RUNNING", 1), notes=(engine.note(0),))
    assert not engine.asked_for(ex.Close)
    engine.queue(seen("COMPLETED"), seen("FAILED", 1), notes=(engine.note(1, Cause.TOOL),))
    [close] = engine.asked_for(ex.Close)
    assert close.array == name
    assert list(close.failed) == ["dl1.2001.1"]
    assert not engine.state.arrays


def test_time_grows_as_memory_does() -> None:
    policies = Policies(time_cap_s=800.0)
    grown = policies.next_try(Asked(1000, 600.0), (Failure(Cause.TIME, ""),))
    assert grown == Asked(1000, 800.0)
    assert policies.next_try(Asked(1000, 800.0), (Failure(Cause.TIME, ""),)) is None


def test_a_failure_that_a_lost_copy_tells_waits_for_what_slurm_started_in_its_place() -> None:
    engine = Driver().running(wish(0))
    copies = (engine.note(cause=Cause.TOOL), ex.Note(engine.array.name, 0))
    engine.queue(seen("PENDING", reason="BeginTime"), notes=copies)
    assert engine.job().phase is m.Phase.PLACED
    engine.later(30).queue(seen("RUNNING"), notes=(engine.note(),))
    assert engine.job().phase is m.Phase.DONE
    assert not engine.asked_for(ex.GiveUp)


def test_an_array_whose_id_was_lost_and_that_left_records_was_there() -> None:
    engine = Driver()
    engine.want(wish(0))
    engine.tick()
    name = engine.array.name
    engine.hear(ex.Unanswered(engine.now, name, "sbatch timed out."))
    engine.silence(ex.Note(name, 0))  # and the record of the job itself was never written
    for _ in range(4):
        engine.later(30).hear(ex.Looked(engine.now, name, ()))
    engine.later(90).silence()
    assert engine.asked_for(ex.Check) == [ex.Check((wish(0).name,))]
    engine.hear(ex.Checked(engine.now, {wish(0).name: True}))
    assert engine.job().phase is m.Phase.DONE
    assert len(engine.asked_for(ex.Submit)) == 1
