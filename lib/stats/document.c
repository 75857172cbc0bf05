#include "lj_stats.h"

void lj_stats_document(FILE *out)
{
	static const struct lj_counters none;
	struct lj_ledger_line lines[LJ_LEDGER_LINES];

	fputs("# Counters\n\n"
	      "Made by `linejudge --help-counters` from the table that counts them "
	      "(`lib/stats/stats.def`), in the order of the river. They are sums over all lcores "
	      "and\nports since the start, or since `clear stats`; gauges are as of now. `show "
	      "counters` and `/linejudge/show/counters` have all of them, a replay's summary the "
	      "ones that\nsay what was refused.\n\n"
	      "| counter | counts |\n|---|---|\n",
	      out);
	for (size_t i = 0; i < LJ_COUNTERS; i++)
		fprintf(out, "| `%s` | %s |\n", lj_counter_info[i].name, lj_counter_info[i].help);
	fputs("\n## The ledger\n\n"
	      "What each step took is what it passed on, and what it refused under a name. `show "
	      "ledger` tells both sides of each equality. They are equal while nothing is on the "
	      "way, as\nat the end of a run or after `stop`; a run that ends with a difference "
	      "says so and exits with 1.\n\n",
	      out);
	lj_ledger_check(&none, lines);
	for (size_t i = 0; i < LJ_LEDGER_LINES; i++)
		fprintf(out, "- `%s`\n", lines[i].text);
}
