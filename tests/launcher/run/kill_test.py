#!/usr/bin/env python3
# tests/launcher/run/kill_test.py PROGRAM MODEL [--kills N] [--seed N] [--long]: kills runs of three ranks and twenty clips
# again and again, by SIGKILL: a rank, rank 0, mpirun, the process that the user started, at random times; and ranks at
# every point that WANFARM_FAULT has. A command that does not end well is started again by hand. In the end each clip has to
# be there once, whole, and with the frames of a run that nobody disturbed.
import argparse
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

RANKS, CLIPS, STEPS = 3, 20, 300
KILLS, KILLS_OF_LONG, KILLS_A_ROUND = 40, 500, 4
LONGEST_DELAY = 2.5  # seconds from one kill to the next; a run that nobody disturbs takes a few
LONGEST_SILENCE = 120  # seconds in which a run that nobody kills any more has to end
MOST_STARTS_A_ROUND = 10  # by hand
MORE_ROUNDS = 12  # at most, until ranks have been killed at every point
MARK = f"WANFARM_KILL_TEST={os.getpid()}-{random.randrange(10**9)}"  # in the environment of all processes of a run
# Who is killed from outside, how often in a row of twenty.
TARGETS = {"a rank": 8, "rank 0": 5, "mpirun": 4, "the front end": 3}


class Broken(Exception):
    """What must not happen, whatever is killed."""


def environment(fault):
    name, value = MARK.split("=")
    variables = {**os.environ, name: value, "OMP_NUM_THREADS": "1"}
    return {**variables, "WANFARM_FAULT": fault} if fault else variables


def processes():
    """The living processes of the run, as {pid: (variables, first word of the command line)}."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile, or is not ours
            variables = (folder / "environ").read_bytes().split(b"\0")
            if MARK.encode() in variables:
                found[int(folder.name)] = variables, (folder / "cmdline").read_bytes().split(b"\0")[0].decode()
    return found


def ranks_alive():
    """{rank: pid}"""
    ranks = {}
    for pid, (variables, _) in processes().items():
        for variable in variables:
            if variable.startswith(b"OMPI_COMM_WORLD_RANK="):
                ranks[int(variable.split(b"=")[1])] = pid
    return ranks


def wait_until(holds, seconds):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def end_all_processes():
    while left := processes():
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


class Command:
    """`wanfarm render`, as a user types it, and all that it starts."""

    def __init__(self, program, model, folder, *, ranks=RANKS, fault=""):
        self.words = folder / "words"
        command = [program, "render", folder.parent / "list.yaml", "--model", model, "--output", folder / "out"]
        command += ["--threads", "1", "--checkpoint", "1"]
        if ranks > 1:
            command += ["--ranks", str(ranks), "--heartbeat-timeout", "3", "--placement", "resident"]
        with open(self.words, "w", encoding="utf-8") as words:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=words, stderr=words,
                                            env=environment(fault))

    def running(self):
        return self.process.poll() is None

    def find(self, target, chance):
        """The process to kill, or None while there is none."""
        if target == "the front end":
            return self.process.pid
        if target == "mpirun":
            return next((pid for pid, (_, name) in processes().items() if Path(name).name == "mpirun"), None)
        ranks = ranks_alive()
        if target == "rank 0":
            return ranks.get(0)
        return ranks[chance.choice(sorted(set(ranks) - {0}) or [0])] if ranks else None

    def kill(self, target, chance):
        """False if the command ends before."""
        end = time.monotonic() + LONGEST_SILENCE
        while self.running():
            if time.monotonic() > end:
                raise Broken(f"{target} is not there to be killed:\n{self.words.read_text()}")
            pid = self.find(target, chance)
            with contextlib.suppress(ProcessLookupError):
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    return True
            time.sleep(0.02)
        return False

    def killed_at_points(self):
        return re.findall(r"WANFARM_FAULT: kill at (\w+)", self.words.read_text(errors="replace"))


def names_below(folder, ending):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name.endswith(ending))


def torn_files(output):
    """What is not whole though it looks finished. Holds whenever no process is at work."""
    torn = []
    for sidecar in output.glob("*.json"):
        try:
            said = json.loads(sidecar.read_bytes())
            video = (output / said["video"]["file"]).read_bytes()
            if hashlib.sha256(video).hexdigest() != said["file_sha256"]:
                torn.append(f"{sidecar.name}: its video is another file")
        except (OSError, ValueError, KeyError) as error:
            torn.append(f"{sidecar.name}: {error!r}")
    return torn


def frames_of(output):
    return {file.stem: json.loads(file.read_bytes())["frames_sha256"] for file in output.glob("*.json")}


class KillTest:
    def __init__(self, program, model, folder, seed):
        self.program, self.model, self.folder = program, model, folder
        self.chance = random.Random(seed)
        self.deck = []
        self.kills, self.by_hand, self.rounds = Counter(), 0, 0
        self.lost, self.doubled, self.torn, self.torn_lines = [], [], [], 0
        self.points_to_pass = self.fault_points()

    def fault_points(self):
        """As the program itself names them when it is asked for one that it does not have."""
        command = [self.program, "render", "list.yaml"]
        asked = subprocess.run(command, env=environment("kill@nowhere"), capture_output=True, text=True, check=False)
        points = re.search(r" at ([\w, ]+)", asked.stderr[asked.stderr.find("it is ACTION@POINT"):])
        if not points:
            raise Broken(f"the program does not name its fault points: {asked.stderr}")
        return points[1].split(", ")

    def run_undisturbed(self):
        whole = self.folder / "whole"
        whole.mkdir()
        command = Command(self.program, self.model, whole, ranks=1)
        if command.process.wait() != 0:
            raise Broken(command.words.read_text())
        self.frames = frames_of(whole / "out")
        if len(self.frames) != CLIPS:
            raise Broken(f"{len(self.frames)} clips")

    # ---- one round: a list rendered to its end

    def next_target(self):
        if not self.deck:
            self.deck = [target for target, count in TARGETS.items() for _ in range(count)]
            self.chance.shuffle(self.deck)
        return self.deck.pop()

    def fault_at(self, point, rank):
        """A rank other than 0 dies at its first passage. Rank 0, which takes the run with it, does so in one of some
        passages, and so does every rank before it works: the run is started again with the same faults."""
        chance = 1.0
        if rank == 0:
            in_all_steps = {"high": 0.2, "low": 0.2, "denoise": 0.1}
            others = {"decode": 0.05, "journal": 0.03}
            chance = in_all_steps[point] / STEPS if point in in_all_steps else others.get(point, 0.2)
        if point in ("start", "load"):
            chance = 0.5
        return f"kill@{point}:{chance}#{rank}"

    def next_faults(self):
        """At some of the points at which nobody has been killed yet, one for each rank."""
        self.chance.shuffle(self.points_to_pass)
        ranks = self.chance.sample(range(RANKS), RANKS)
        faults = [self.fault_at(point, 0 if point == "journal" else rank)  # rank 0 alone writes it
                  for point, rank in zip(self.points_to_pass, ranks)]
        return ",".join(faults)

    def run_round(self, *, faults="", targets=()):
        self.rounds += 1
        folder = self.folder / f"round{self.rounds}"
        folder.mkdir()
        before, by_hand, begin, targets = self.kills.copy(), self.by_hand, time.monotonic(), list(targets)
        while self.run_command(folder, faults, targets) != 0:
            self.by_hand += 1
            if self.by_hand - by_hand > MOST_STARTS_A_ROUND:
                raise Broken(f"{folder.name} does not come to its end")
            faults = ""
            self.torn += torn_files(folder / "out")
        self.check(folder)
        killed = ", ".join(f"{name} x {count}" for name, count in sorted((self.kills - before).items()))
        print(f"round {self.rounds}: {killed or 'nothing killed'}; {self.by_hand - by_hand} starts by hand; "
              f"{time.monotonic() - begin:.0f} s", flush=True)
        shutil.rmtree(folder)

    def run_command(self, folder, faults, targets):
        """Kills one target after the other, as long as the command goes on; returns its exit code."""
        command = Command(self.program, self.model, folder, fault=faults)
        while command.running() and targets:
            wait_until(lambda: not command.running(), self.chance.uniform(0, LONGEST_DELAY))
            target = targets[-1]
            if command.kill(target, self.chance):
                self.kills[target] += 1
                targets.pop()
        if not wait_until(lambda: not command.running(), LONGEST_SILENCE):
            raise Broken(f"the command neither goes on nor ends:\n{command.words.read_text()}")
        points = command.killed_at_points()
        self.kills.update(f"at {point}" for point in points)
        self.points_to_pass = [point for point in self.points_to_pass if point not in points]
        if not wait_until(lambda: not processes(), 20):
            raise Broken(f"left running: {processes()}\n{command.words.read_text()}")
        return command.process.returncode

    def check(self, folder):
        output = folder / "out"
        frames = frames_of(output)
        expected = sorted(name + ending for name in self.frames for ending in (".json", ".mp4"))
        found = sorted(path.name for path in output.iterdir() if path.suffix in (".json", ".mp4"))
        self.lost += [f"{name} in {folder.name}" for name in self.frames if frames.get(name) != self.frames[name]]
        self.lost += [f"{name} in {folder.name}" for name in set(expected) - set(found)]
        self.doubled += [f"{name} in {folder.name}" for name in set(found) - set(expected)]
        self.torn += torn_files(output) + names_below(output, ".part")
        self.check_journal(output)

    def check_journal(self, output):
        """It can be read, and knows that all is done. A rank that is killed while it writes may leave one torn line."""
        command = [self.program, "status", output, "--json"]
        status = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        clips, self.torn_lines = status["clips"], self.torn_lines + status["journal"]["damaged"]
        if clips["done"] != CLIPS or status["exit_code"] != 0:
            self.torn.append(f"the journal of {output.parent.name}: {clips}, exit code {status['exit_code']}")

    # ---- the whole

    def run(self, kills):
        """Rounds in which ranks die at points, and rounds in which somebody is killed from outside, in turn."""
        self.run_undisturbed()
        while self.kills.total() < kills:
            self.run_round(targets=[self.next_target() for _ in range(KILLS_A_ROUND)])
            if not self.points_to_pass and kills > KILLS:
                self.points_to_pass = self.fault_points()
            if self.points_to_pass:
                self.run_round(faults=self.next_faults())
        for _ in range(MORE_ROUNDS):
            if self.points_to_pass:
                self.run_round(faults=self.next_faults())
        if self.points_to_pass:
            raise Broken(f"no rank has passed {', '.join(self.points_to_pass)}")

    def verdict(self):
        kills = self.kills.total()
        went_on = kills - self.by_hand
        print(f"kills {kills}, lost {len(self.lost)}, doubled {len(self.doubled)}, torn {len(self.torn)}; in {went_on} of "
              f"{kills} the run went on without a start by hand")
        print(f"torn last lines in journals, which readers leave out: {self.torn_lines}")
        for kind, which in ("lost", self.lost), ("doubled", self.doubled), ("torn", self.torn):
            for what in which:
                print(f"  {kind}: {what}")
        if self.lost or self.doubled or self.torn:
            return 1
        if 4 * went_on < 3 * kills:
            print("  fewer than three quarters")
            return 1
        return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--long", action="store_true", default=os.environ.get("WANFARM_LONG") == "1")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # not without ending what it has started
    print(f"seed {options.seed}: decides who is killed and when, as far as timing can be repeated", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="kill-test-"))
    prompts = ", ".join(f"number {i}" for i in range(1, CLIPS + 1))
    (folder / "list.yaml").write_text(f"defaults: {{size: 32x32, frames: 5, steps: {STEPS}}}\nprompts: [{prompts}]\n")
    test = KillTest(options.program, options.model, folder, options.seed)
    try:
        test.run(options.kills or (KILLS_OF_LONG if options.long else KILLS))
        code = test.verdict()
    except Broken as broken:
        print(f"after {test.kills.total()} kills ({dict(test.kills)}): {broken}")
        code = 1
    finally:
        end_all_processes()
    if code == 0:
        shutil.rmtree(folder)
    else:
        print(f"what it left is in {folder}")
    return code


if __name__ == "__main__":
    sys.exit(main())
