"""A run's results as DTS prints them: a table of suites and cases at the end. JUnit is pytest's own --junitxml."""

CASE_WIDTH = 90


class ResultTable:
    """A plugin: notes every case as it ends, prints the table when all have."""

    def __init__(self, test_run):
        self.test_run, self.results = test_run, {}

    def pytest_runtest_logreport(self, report):
        file, _, case = report.nodeid.partition("::")
        suite = file.rsplit("/", 1)[-1].removesuffix(".py").removeprefix("TestSuite_")
        outcome, seconds = self.results.get((suite, case), ("passed", 0.0))
        if report.outcome != "passed":
            outcome = "failed" if report.when == "call" else "blocked" if report.failed else report.outcome
        self.results[suite, case] = (outcome, seconds + report.duration)

    def pytest_terminal_summary(self, terminalreporter):
        if not self.results:
            return
        rows = [(suite, case.rsplit("::", 1)[-1][:CASE_WIDTH], *rest) for (suite, case), rest in self.results.items()]
        suite_width, case_width = (max(len(row[i]) for row in rows) for i in (0, 1))
        line = f"+-{'-' * suite_width}-+-{'-' * case_width}-+---------+----------+"
        write = terminalreporter.write_line
        terminalreporter.write_sep("=", f"test run: {self.test_run}")
        write(line)
        write(f"| {'suite':<{suite_width}} | {'case':<{case_width}} | result  | time (s) |")
        write(line)
        previous = None
        for suite, case, outcome, seconds in rows:
            write(f"| {suite if suite != previous else '':<{suite_width}} | {case:<{case_width}} | {outcome.upper():<7} | {seconds:8.2f} |")
            previous = suite
        write(line)
