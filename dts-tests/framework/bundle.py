"""Model bundles as a person makes them from a booster that was trained elsewhere."""

import csv
import hashlib
import json

import numpy as np
import xgboost

# As in the first line of CIC-IDS2017's MachineLearningCSV files, blanks included.
CIC_2017 = """ Destination Port, Flow Duration, Total Fwd Packets, Total Backward Packets,Total Length of Fwd Packets, Total Length of Bwd Packets, \
Fwd Packet Length Max, Fwd Packet Length Min, Fwd Packet Length Mean, Fwd Packet Length Std,Bwd Packet Length Max, Bwd Packet Length Min, \
Bwd Packet Length Mean, Bwd Packet Length Std,Flow Bytes/s, Flow Packets/s, Flow IAT Mean, Flow IAT Std, Flow IAT Max, Flow IAT Min,\
Fwd IAT Total, Fwd IAT Mean, Fwd IAT Std, Fwd IAT Max, Fwd IAT Min,Bwd IAT Total, Bwd IAT Mean, Bwd IAT Std, Bwd IAT Max, Bwd IAT Min,\
Fwd PSH Flags, Bwd PSH Flags, Fwd URG Flags, Bwd URG Flags, Fwd Header Length, Bwd Header Length,Fwd Packets/s, Bwd Packets/s, \
Min Packet Length, Max Packet Length, Packet Length Mean, Packet Length Std, Packet Length Variance,FIN Flag Count, SYN Flag Count, \
RST Flag Count, PSH Flag Count, ACK Flag Count, URG Flag Count, CWE Flag Count, ECE Flag Count, Down/Up Ratio, Average Packet Size, \
Avg Fwd Segment Size, Avg Bwd Segment Size, Fwd Header Length.1,Fwd Avg Bytes/Bulk, Fwd Avg Packets/Bulk, Fwd Avg Bulk Rate, \
Bwd Avg Bytes/Bulk, Bwd Avg Packets/Bulk,Bwd Avg Bulk Rate,Subflow Fwd Packets, Subflow Fwd Bytes, Subflow Bwd Packets, \
Subflow Bwd Bytes,Init_Win_bytes_forward, Init_Win_bytes_backward, act_data_pkt_fwd, min_seg_size_forward,Active Mean, Active Std, \
Active Max, Active Min,Idle Mean, Idle Std, Idle Max, Idle Min""".split(",")

# The 84-column file of the corrected tool (Liu et al., 2022), what is no number left out.
CIC_2022 = """Src Port,Dst Port,Protocol,Flow Duration,Total Fwd Packet,Total Bwd packets,Total Length of Fwd Packet,\
Total Length of Bwd Packet,Fwd Packet Length Max,Fwd Packet Length Min,Fwd Packet Length Mean,Fwd Packet Length Std,\
Bwd Packet Length Max,Bwd Packet Length Min,Bwd Packet Length Mean,Bwd Packet Length Std,Flow Bytes/s,Flow Packets/s,Flow IAT Mean,\
Flow IAT Std,Flow IAT Max,Flow IAT Min,Fwd IAT Total,Fwd IAT Mean,Fwd IAT Std,Fwd IAT Max,Fwd IAT Min,Bwd IAT Total,Bwd IAT Mean,\
Bwd IAT Std,Bwd IAT Max,Bwd IAT Min,Fwd PSH Flags,Bwd PSH Flags,Fwd URG Flags,Bwd URG Flags,Fwd RST Flags,Bwd RST Flags,\
Fwd Header Length,Bwd Header Length,Fwd Packets/s,Bwd Packets/s,Packet Length Min,Packet Length Max,Packet Length Mean,\
Packet Length Std,Packet Length Variance,FIN Flag Count,SYN Flag Count,RST Flag Count,PSH Flag Count,ACK Flag Count,URG Flag Count,\
CWR Flag Count,ECE Flag Count,Down/Up Ratio,Average Packet Size,Fwd Segment Size Avg,Bwd Segment Size Avg,Fwd Bytes/Bulk Avg,\
Fwd Packet/Bulk Avg,Fwd Bulk Rate Avg,Bwd Bytes/Bulk Avg,Bwd Packet/Bulk Avg,Bwd Bulk Rate Avg,Subflow Fwd Packets,\
Subflow Fwd Bytes,Subflow Bwd Packets,Subflow Bwd Bytes,FWD Init Win Bytes,Bwd Init Win Bytes,Fwd Act Data Pkts,Fwd Seg Size Min,\
Active Mean,Active Std,Active Max,Active Min,Idle Mean,Idle Std,Idle Max,Idle Min,ICMP Code,ICMP Type,Total TCP Flow Time""".split(",")

# NF-*-v2 (Sarhan et al.) without the two addresses.
NETFLOW_V2 = """L4_SRC_PORT,L4_DST_PORT,PROTOCOL,L7_PROTO,IN_BYTES,IN_PKTS,OUT_BYTES,OUT_PKTS,TCP_FLAGS,CLIENT_TCP_FLAGS,\
SERVER_TCP_FLAGS,FLOW_DURATION_MILLISECONDS,DURATION_IN,DURATION_OUT,MIN_TTL,MAX_TTL,LONGEST_FLOW_PKT,SHORTEST_FLOW_PKT,\
MIN_IP_PKT_LEN,MAX_IP_PKT_LEN,SRC_TO_DST_SECOND_BYTES,DST_TO_SRC_SECOND_BYTES,RETRANSMITTED_IN_BYTES,RETRANSMITTED_IN_PKTS,\
RETRANSMITTED_OUT_BYTES,RETRANSMITTED_OUT_PKTS,SRC_TO_DST_AVG_THROUGHPUT,DST_TO_SRC_AVG_THROUGHPUT,NUM_PKTS_UP_TO_128_BYTES,\
NUM_PKTS_128_TO_256_BYTES,NUM_PKTS_256_TO_512_BYTES,NUM_PKTS_512_TO_1024_BYTES,NUM_PKTS_1024_TO_1514_BYTES,TCP_WIN_MAX_IN,\
TCP_WIN_MAX_OUT,ICMP_TYPE,ICMP_IPV4_TYPE,DNS_QUERY_ID,DNS_QUERY_TYPE,DNS_TTL_ANSWER,FTP_COMMAND_RET_CODE""".split(",")

# As `ra -s` prints them.
ARGUS = """Dur,Sport,Dport,Proto,State,Rate,SrcRate,DstRate,Load,SrcLoad,DstLoad,TotPkts,SrcPkts,DstPkts,TotBytes,SrcBytes,DstBytes,Loss,\
SrcLoss,DstLoss,pLoss,Retrans,SIntPkt,DIntPkt,SrcJitter,DstJitter,TcpRtt,SynAck,AckDat,sTtl,dTtl,SrcWin,DstWin,Mean,StdDev,Sum,Min,\
Max,sMeanPktSz,dMeanPktSz""".split(",")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_golden(path, booster, names, rows):
    matrix = xgboost.DMatrix(rows)
    margins, probabilities = (np.atleast_2d(booster.predict(matrix, output_margin=m).reshape(len(rows), -1)) for m in (True, False))
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        outputs = range(margins.shape[1])
        writer.writerow([*names, *(f"margin_{k}" for k in outputs), *(f"probability_{k}" for k in outputs)])
        for row, margin, probability in zip(rows, margins, probabilities):
            writer.writerow(["" if np.isnan(v) else f"{v:.9g}" for v in row] + [f"{v:.9g}" for v in (*margin, *probability)])


def write_bundle(folder, booster, names, rows, classes=("benign", "malicious"), threshold=0.5):
    """A bundle of the booster, with `rows` (float32) as its golden ones."""
    folder.mkdir()
    booster.save_model(folder / "model.ubj")
    write_golden(folder / "golden.csv", booster, names, rows)
    manifest = {"format": 1, "name": folder.name, "version": "1", "description": "a test's", "feature_schema": 1, "features": list(names),
                "classes": list(classes), "threshold": threshold,
                "files": {"booster": {"name": "model.ubj", "sha256": sha256(folder / "model.ubj")},
                          "golden": {"name": "golden.csv", "sha256": sha256(folder / "golden.csv")}}}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return folder


def train_on_table(table, label):
    """A small booster on a features table (a list of dicts) as a person would: columns in, model out. (booster, float32 rows)"""
    rows = np.array(table, dtype=np.float32)
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 4, "eta": 0.5, "nthread": 1, "seed": 1},
                            xgboost.DMatrix(rows, label=label), num_boost_round=8)
    return booster, rows
