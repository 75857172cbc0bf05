"""Transcripts at the prompt, as a person types them: prompt, completion, help, errors, the way out."""

import pexpect
import pytest

from framework.linejudge import BINARY, DEMO, verify

PROMPT = "linejudge> "


@pytest.fixture
def shell():
    """A person's terminal, with a replay that has finished and stays to be asked."""
    session = pexpect.spawn(BINARY, ["--pcap", DEMO, "--interactive"], encoding="utf-8", timeout=30, dimensions=(50, 160))
    session.expect_exact(PROMPT)
    yield session
    if session.isalive():
        session.sendline("quit")
        session.expect(pexpect.EOF)
    session.close()


def told(shell, line):
    """What the line is answered with, up to the next prompt."""
    shell.sendline(line)
    # The line is echoed with the prompt redrawn; its answer ends at the next prompt.
    shell.expect_exact(line)
    shell.expect_exact(PROMPT)
    return shell.before


class TestPromptTranscripts:
    def test_every_command_that_shows_answers(self, shell):
        """
        Steps: type each show command that help lists; port 0 where it wants one.
        Verify: an answer without an error; help has a line for each.
        """
        listed = told(shell, "help")
        commands = [line.split("  ")[0].strip() for line in listed.splitlines() if line.startswith("show ")]
        verify(len(commands) >= 12 and "quit  " in listed, listed)
        for command in commands:
            answer = told(shell, command.replace("<port>", "0").replace("<model>", "0"))
            verify(answer.strip() and "error" not in answer.split() and "possible commands:" not in answer, f"{command}: {answer}")

    def test_help_is_in_sections(self, shell):
        """
        Steps: type help.
        Verify: a command a line, each with what it does and what it takes; those that begin with the same word stand together.
        """
        lines = [line.split("  ", 1) for line in told(shell, "help").splitlines() if "  " in line]
        sections = [words.split()[0] for words, _ in lines]
        verify([word for i, word in enumerate(sections) if word not in sections[:i]]
               == [word for i, word in enumerate(sections) if i == 0 or sections[i - 1] != word], sections)
        verify(sections[0] == "show" and {"set", "port", "clear", "start", "stop", "help"} <= set(sections), sections)
        for words, text in lines:
            verify(text.strip().endswith(".") or "Parameters:" in text, f"{words}: {text}")
            verify(("<" in words) <= ("Parameters:" in text), f"{words}: {text}")

    def test_help_of_some_commands(self, shell):
        """
        Steps: help show; help set batch; help quit; help of what is no command; hel and TAB.
        Verify: the commands that begin with these words and no others; that there is none; the word is completed.
        """
        for line, commands in (("help set batch", ["set batch size <flows>", "set batch deadline <us>"]), ("help quit", ["quit"]),
                               ("help start", ["start"])):
            rows = [row.split("  ")[0].strip() for row in told(shell, line).splitlines() if row.strip()]
            verify(rows == commands, f"{line}: {rows}")
        rows = [row for row in told(shell, "help show").splitlines() if row.strip()]
        verify(len(rows) > 20 and all(row.startswith("show ") for row in rows), rows)
        verify("no command starts with these words" in told(shell, "help shew"), "not said")
        shell.send("hel\t")
        shell.expect_exact("help")
        shell.sendline("")
        shell.expect("show latency +Returns decision time")
        shell.expect_exact(PROMPT)

    def test_tab_completes_words_and_offers_choices(self, shell):
        """
        Steps: type the beginning of words and TAB; an ambiguous one with TAB twice; TAB alone.
        Verify: the word is completed; the choices are offered, and nothing that is no command's word.
        """
        shell.send("sho\t")
        shell.expect_exact("show ")
        shell.send("lat\t")
        shell.expect_exact("latency")
        shell.sendline("")
        shell.expect("decision +[0-9]+")
        shell.expect_exact(PROMPT)
        shell.send("set timeout \t\t")
        for choice in ("idle", "active", "linger"):
            shell.expect_exact(choice)
        # Ctrl-C gives a new line without running this one.
        shell.send("\x03")
        shell.expect_exact(PROMPT)
        shell.send("\t")
        shell.expect_exact("quit: Ends the run")
        shell.send("\x03")
        shell.expect_exact(PROMPT)
        verify("RETURN" not in shell.before and "No help" not in shell.before, shell.before)

    @pytest.mark.parametrize("line,words", [
        ("shwo flow stats", "Command not found"), ("show flow", '"show flow" is incomplete(?s:.*)show flow stats +Returns'),
        ("set batch sise 32", '"sise" cannot follow "set batch"(?s:.*)set batch size <flows>'),
        ("show packet stats 5", '"5" cannot follow "show packet stats"'), ("show port 0 queue", '"0" cannot follow(?s:.*)show port queues <port>'),
        ("set batch size", '"set batch size" is incomplete(?s:.*)Parameters: 1..1024'), ("quit now", '"now" cannot follow "quit"'),
        ("set batch size many", "is not a number"), ("set batch size 0", "1..1024"),
        ("set timeout idle -1", "is not in 0.001..86400"), ("set classify at 99999999999", "4294967295"), ("set batch size 1 2", "is not a number"),
        ("port failover 1", "is not a port: ports are 0..0"), ("port failover 0 fast", "is not one of driver, af_xdp"),
        ("port failover 0 xdp", "a file has nothing to fail over to"),
    ])
    def test_a_line_that_is_wrong_says_why(self, shell, line, words):
        """Verify: one answer that names what is wrong, and the prompt again."""
        shell.sendline(line)
        shell.expect(words)
        shell.expect_exact(PROMPT)

    def test_a_port_may_be_named_in_the_middle(self, shell):
        """
        Steps: show port queues 0; show port 0 queues; the latter of a port that is not there.
        Verify: both tell of the one queue and its worker; the port that is not there is named.
        """
        for line in ("show port queues 0", "show port 0 queues"):
            rows = [row.split() for row in told(shell, line).splitlines()]
            verify([row[:2] for row in rows if row[:1] == ["queue0"]] == [["queue0", "worker0"]], rows)
        verify("is not a port: ports are 0..0" in told(shell, "show port 7 queues"), "taken")

    def test_a_setting_is_shown_by_the_next_question(self, shell):
        """
        Steps: set three settings; show tuning.
        Verify: all of them.
        """
        told(shell, "set batch size 7")
        told(shell, "set timeout idle 2.5")
        told(shell, "set classify at 4")
        tuning = told(shell, "show tuning")
        for name, value in (("batch_size", "7"), ("idle_timeout_ms", "2500"), ("classify_at", "4")):
            verify([name, value] in [line.split() for line in tuning.splitlines()], tuning)

    @pytest.mark.parametrize("way", ["quit", "end of input", "interrupt"])
    def test_every_way_out_ends_the_run_well(self, shell, way):
        """
        Steps: type quit; close the input by Ctrl-D; send SIGINT.
        Verify: the summary with a balanced ledger; exit 0 (an interrupted replay: 1, and it says so).
        """
        if way == "quit":
            shell.sendline("quit")
        elif way == "end of input":
            shell.send("\x04")
        else:
            shell.kill(2)
        shell.expect("ledger balances")
        shell.expect(pexpect.EOF)
        shell.close()
        verify(shell.exitstatus == (1 if way == "interrupt" else 0), shell.exitstatus)
