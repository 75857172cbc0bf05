"""What the documents say of the program is so: names, references that it prints itself, links."""

import glob
import os
import re

import pytest

from framework.linejudge import ROOT, run, verify

DOCUMENTS = sorted(os.path.relpath(path, ROOT) for pattern in ("README.md", "docs/*.md", "models/README.md", "drivers-config/**/*.md")
                   for path in glob.glob(os.path.join(ROOT, pattern), recursive=True))
# There `flow.start` and `model.ubj` are an event's field and a bundle's file.
OF_OTHER_NAMES = ("docs/eve.md", "models/README.md")


def text_of(document):
    with open(os.path.join(ROOT, document), encoding="utf-8") as file:
        return file.read()


def anchors(text):
    """What headings are linked by."""
    return [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.M)]


class TestDocuments:
    @pytest.mark.parametrize("page", ["configuration", "counters", "features"])
    def test_references_are_what_the_program_prints(self, page):
        """Verify: docs/configuration.md, counters.md and features.md are the output of --help-config, --help-counters and --help-features."""
        option = "--help-config" if page == "configuration" else f"--help-{page}"
        verify(text_of(f"docs/{page}.md") == run(option).stdout, f"docs/{page}.md is stale: linejudge {option} > it")

    @pytest.mark.parametrize("document", [document for document in DOCUMENTS if document not in OF_OTHER_NAMES])
    def test_keys_and_commands_exist(self, document):
        """Verify: what a document names as a key of the configuration or as a command is one."""
        keys = {key for key in re.findall(r"^\| `([^`]+)`", run("--help-config").stdout, re.M) if "." in key}
        sections = "|".join({key.split(".")[0] for key in keys})
        commands = [*re.findall(r'LJ_COMMAND\("([^"]+)"', text_of("lib/control/commands.def")), r"show port \d+"]
        for key in re.findall(rf"`((?:{sections})\.[a-z_]+)`", text_of(document)):
            verify(key in keys, f"there is no key {key}")
        for words in re.findall(r"`((?:show|set|clear|rebalance|port) [a-z 0-9]+)", text_of(document)):
            verify(any(re.match(rf"{command}( |$)", words) for command in commands), f"there is no command {words}")

    @pytest.mark.parametrize("document", DOCUMENTS)
    def test_links_lead_somewhere(self, document):
        """Verify: the files that a document links to are there, and the headings in them."""
        for link in re.findall(r"\]\(([^)\s]+)\)", text_of(document)):
            path, _, heading = link.partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(document), path or os.path.basename(document)))
            if "://" not in link:
                verify(os.path.exists(os.path.join(ROOT, target)), f"{link}: no such file")
                verify(not heading or heading in anchors(text_of(target)), f"{link}: no such heading")
