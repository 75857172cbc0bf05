#include "feature_table.h"

const struct feature_set feature_sets[] = {
	{"linejudge",
	 "What the default model uses: nothing in it names a host or a network (no "
	 "address, port, TTL or window). Lengths are IP lengths, times ns made us. What "
	 "does not exist is NaN, which trees take as missing."},
	{"host",
	 "What the flow's hosts had been doing lately (`h`, explained in "
	 "`lib/host/lj_host.h`): in sliding windows of 5, 60 and 600 s of packet time, of the "
	 "initiator, the responder, the responder's port and the conversation. Taken when the "
	 "flow is due, `host_begin_` when it began."},
	{"network", "What was left out there, for people who want it all the same. A model learns "
		    "the network it was trained on from these."},
	{"cic",
	 "The columns of CICFlowMeter (CIC-IDS2017, CSE-CIC-IDS2018), with the corrections of "
	 "Engelen, Rimmer and Joosen, *Troubleshooting an Intrusion Detection Dataset: the "
	 "CICIDS2017 Case Study* (2021), and Liu, Engelen, Lynar, Essam and Joosen, *Error "
	 "Prevalence in NIDS datasets* (2022). Packet lengths are payload, times us. Records "
	 "differ from the original tool's in one way: a TCP flow ends by FIN both ways or RST "
	 "and a linger, not at the first FIN."},
	{"netflow", "The columns of the NF-*-v2 data sets (Sarhan, Layeghy, Moustafa and Portmann, "
		    "*Towards a Standard Feature Set for Network Intrusion Detection System "
		    "Datasets*, 2021), as nProbe exports them. L7_PROTO is nDPI's number by port "
		    "alone: there is no deep inspection here."},
	{"argus",
	 "What `ra` of argus-clients 3.0.8 prints, by its titles and its `-s` names "
	 "(UNSW-NB15 and Bot-IoT have these columns). Bytes are those of Ethernet frames. Of the "
	 "`-s` names, `bytes` alone finds another feature, linejudge's own (IP bytes): name the "
	 "column TotBytes."},
};
const size_t n_feature_sets = RTE_DIM(feature_sets);

const struct missing_column missing_columns[] = {
#define LJ_MISSING(name, why) {name, why},
#include "missing.def"
#undef LJ_MISSING
};
const size_t n_missing_columns = RTE_DIM(missing_columns);
