#include <errno.h>

#include <rte_flow.h>

#include "capture_rss.h"

/*
 * If a device configures the hashed fields per packet type (i40e), "addresses only" needs a rule
 * for each type: its pattern, and an RSS action for the type with L3 fields only. Such a rule may
 * not list queues, and uses the device's key, which is symmetric.
 */
static const struct rule {
	uint64_t function;
	enum rte_flow_item_type l3, l4;
	const char *name;
} rules[] = {
	{RTE_ETH_RSS_FRAG_IPV4, RTE_FLOW_ITEM_TYPE_IPV4, RTE_FLOW_ITEM_TYPE_END, "ipv4-frag"},
	{RTE_ETH_RSS_NONFRAG_IPV4_OTHER, RTE_FLOW_ITEM_TYPE_IPV4, RTE_FLOW_ITEM_TYPE_END,
	 "ipv4-other"},
	{RTE_ETH_RSS_NONFRAG_IPV4_TCP, RTE_FLOW_ITEM_TYPE_IPV4, RTE_FLOW_ITEM_TYPE_TCP, "ipv4-tcp"},
	{RTE_ETH_RSS_NONFRAG_IPV4_UDP, RTE_FLOW_ITEM_TYPE_IPV4, RTE_FLOW_ITEM_TYPE_UDP, "ipv4-udp"},
	{RTE_ETH_RSS_FRAG_IPV6, RTE_FLOW_ITEM_TYPE_IPV6, RTE_FLOW_ITEM_TYPE_END, "ipv6-frag"},
	{RTE_ETH_RSS_NONFRAG_IPV6_OTHER, RTE_FLOW_ITEM_TYPE_IPV6, RTE_FLOW_ITEM_TYPE_END,
	 "ipv6-other"},
	{RTE_ETH_RSS_NONFRAG_IPV6_TCP, RTE_FLOW_ITEM_TYPE_IPV6, RTE_FLOW_ITEM_TYPE_TCP, "ipv6-tcp"},
	{RTE_ETH_RSS_NONFRAG_IPV6_UDP, RTE_FLOW_ITEM_TYPE_IPV6, RTE_FLOW_ITEM_TYPE_UDP, "ipv6-udp"},
};

static int make_rule(uint16_t port, const struct rule *rule, const char *name, struct lj_error *err)
{
	const struct rte_flow_attr attributes = {.ingress = 1};
	const struct rte_flow_item pattern[] = {
		{.type = RTE_FLOW_ITEM_TYPE_ETH},
		{.type = rule->l3},
		{.type = rule->l4},
		{.type = RTE_FLOW_ITEM_TYPE_END},
	};
	struct rte_flow_action_rss rss = {
		.func = RTE_ETH_HASH_FUNCTION_DEFAULT,
		.types = rule->function,
	};
	const struct rte_flow_action actions[] = {
		{.type = RTE_FLOW_ACTION_TYPE_RSS, .conf = &rss},
		{.type = RTE_FLOW_ACTION_TYPE_END},
	};
	struct rte_flow_error flow_error = {0};

	/* Both flags together select the addresses without the ports. */
	if (rule->l4 != RTE_FLOW_ITEM_TYPE_END)
		rss.types |= RTE_ETH_RSS_L3_SRC_ONLY | RTE_ETH_RSS_L3_DST_ONLY;
	if (rte_flow_create(port, &attributes, pattern, actions, &flow_error) != NULL)
		return 0;
	return lj_error_set(err, EOPNOTSUPP, name,
			    "RSS by addresses only is refused for %s: %s; set capture.rss_mode to "
			    "5tuple",
			    rule->name,
			    flow_error.message != NULL ? flow_error.message
						       : "the driver gives no reason");
}

int rss_make_rules(uint16_t port, uint64_t functions, const char *name, struct lj_error *err)
{
	int ret = 0;

	for (size_t i = 0; i < RTE_DIM(rules) && ret == 0; i++)
		if (functions & rules[i].function)
			ret = make_rule(port, &rules[i], name, err);
	return ret;
}
