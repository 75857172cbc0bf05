"""docs/performance.md: replaces the tables between markers; the text around them is written by hand.

    <!-- table: NAME -->
    written by tools/bench
    <!-- end -->
"""

import datetime
import os
import re
import subprocess

import run

PAGE = os.path.join(run.ROOT, "docs", "performance.md")


def first_match(pattern, path, otherwise):
    """The first match of a pattern in a file of the kernel, or `otherwise`."""
    try:
        with open(path, encoding="utf-8") as file:
            found = re.search(pattern, file.read())
    except OSError:
        found = None
    return found.group(1).strip() if found else otherwise


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, text=True).stdout.strip()


def processor():
    """The CPU's model name and the number of CPUs."""
    name = first_match(r"model name\s*:\s*(.*)", "/proc/cpuinfo", "unknown processor")
    return f"{name}, {os.cpu_count()} CPUs"


def machine():
    """One line that describes the machine of the measurement."""
    memory = int(first_match(r"MemTotal:\s*(\d+)", "/proc/meminfo", "0")) / 2**20
    huge = first_match(r"HugePages_Total:\s*(\d+)", "/proc/meminfo", "0")
    transparent = first_match(r"\[(\w+)\]", "/sys/kernel/mm/transparent_hugepage/enabled", "off")
    system = first_match(r'PRETTY_NAME="(.*)"', "/etc/os-release", "Linux")
    return (f"{processor()}, {memory:.0f} GiB, {huge} hugepages, transparent ones {transparent}; {system}, "
            f"Linux {os.uname().release}, DPDK {output('pkg-config', '--modversion', 'libdpdk')}, "
            f"{output('cc', '--version').splitlines()[0]}")


def busy():
    """The load average per minute: results are only valid on a quiet machine."""
    return os.getloadavg()[0]


def commit():
    """The commit, and whether the tree differs from it except in this page."""
    changed = output("git", "-C", run.ROOT, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/performance.md")
    return output("git", "-C", run.ROOT, "rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")


def render(table, rows, command):
    """A table with its origin, as Markdown."""
    lines = ["| " + " | ".join(heading for heading, _, _ in table.columns) + " |", "|" + "---|" * len(table.columns)]
    for row in filter(table.keep, rows[table.rows] if table.rows else rows):
        lines.append("| " + " | ".join(write(row[field]) for _, field, write in table.columns) + " |")
    when = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    return "\n".join(lines) + f"\n\n`{command}`, {when}, at {commit()}, on {processor()}."


def put(text, name, section):
    """Returns the page with the section between the markers replaced."""
    pattern = re.compile(rf"(<!-- table: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not pattern.search(text):
        raise run.Failure(f"{PAGE} has no <!-- table: {name} -->")
    return pattern.sub(lambda found: found.group(1) + section + "\n" + found.group(2), text)


def update(path, sections):
    """Writes the sections, given by name, into the page."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for name, section in sections.items():
        text = put(text, name, section)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
