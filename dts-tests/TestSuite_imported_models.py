"""Models of other libraries and formats become bundles whose scores are those that Python gives."""

import csv
import json
import os
import pickle
import subprocess

import joblib
import numpy as np
import pytest
import xgboost
from sklearn.ensemble import AdaBoostClassifier, ExtraTreesClassifier, GradientBoostingClassifier, IsolationForest, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from framework.bundle import sha256, write_bundle
from framework.linejudge import DEMO, TOOLS, error_line, events, replay, run, verify

NAMES = ["packets", "duration_us", "fwd_bytes", "bwd_bytes", "fwd_packets", "bwd_packets", "bytes_per_s", "dst_port"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo's flows: (flow ids, rows float32, a label of two classes, one of three)."""
    table = tmp_path_factory.mktemp("demo") / "features.csv"
    replay(DEMO, "--model", "none", "--features", table)
    with open(table, encoding="utf-8") as file:
        flows = list(csv.DictReader(file))
    rows = np.array([[float(flow[name] or "nan") for name in NAMES] for flow in flows], dtype=np.float32)
    noise = np.random.default_rng(7).random(len(rows)) < 0.1
    two = ((rows[:, 5] == 0) ^ noise).astype(int)
    return [int(flow["flow_id"]) for flow in flows], rows, two, two + (rows[:, 7] < 100)


def tool(name, *arguments):
    return subprocess.run([f"{TOOLS}/{name}", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60, check=False)


def imported(name, *arguments):
    done = tool(name, *arguments)
    verify(done.returncode == 0, f"{name}: {done.stderr}")
    return done.stdout


def served(bundle, tmp_path):
    """flow_id: the scores of the classes, as linejudge gives them."""
    replay(DEMO, "--model", bundle, "--eve", tmp_path / "eve.json")
    return {e["flow_id"]: list(e["ml"]["scores"].values()) for e in events(tmp_path / "eve.json") if e["event_type"] == "flow"}


def compare(got, ids, wanted):
    """EVE writes six digits."""
    verify(got.keys() == set(ids), "not the same flows")
    worst = max(np.abs(np.array(got[i]) - w).max() for i, w in zip(ids, wanted))
    verify(worst < 1.5e-6, f"scores differ by {worst}")
    verify(len(np.unique(np.round(wanted, 4), axis=0)) > 3, "the model says the same of everything: nothing is tested")


def two_columns(p):
    return np.column_stack([1 - p, p])


BOOSTERS = {
    "gbtree": {"objective": "binary:logistic"},
    "dart": {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.3},
    "random_forest": {"objective": "binary:logistic", "num_parallel_tree": 20, "subsample": 0.6, "eta": 1, "base_score": 0.3},
    "reg_logistic": {"objective": "reg:logistic"},
    "softprob": {"objective": "multi:softprob", "num_class": 3},
    "softmax": {"objective": "multi:softmax", "num_class": 3},
}


class TestXgboost:
    @pytest.mark.parametrize("kind", BOOSTERS)
    @pytest.mark.parametrize("form", ["json", "ubj", "deprecated"])
    def test_a_booster_of_any_format_scores_as_in_python(self, tmp_path, demo, kind, form):
        """
        Steps: train; save as JSON, UBJ or in the old binary format; tools/import-xgboost; run the bundle on the demo.
        Verify: each flow's scores are Python's.
        """
        ids, rows, two, three = demo
        classes = BOOSTERS[kind].get("num_class", 2)
        booster = xgboost.train({"nthread": 1, "seed": 1, "max_depth": 4, **BOOSTERS[kind]},
                                xgboost.DMatrix(rows, label=three if classes == 3 else two), num_boost_round=6)
        booster.save_model(tmp_path / f"model.{form}")
        imported("import-xgboost", tmp_path / f"model.{form}", "--features", ",".join(NAMES), "--out", tmp_path / "mine")
        if kind == "softmax":
            margins = booster.predict(xgboost.DMatrix(rows), output_margin=True)
            wanted = np.exp(margins - margins.max(axis=1, keepdims=True))
            wanted /= wanted.sum(axis=1, keepdims=True)
        else:
            wanted = booster.predict(xgboost.DMatrix(rows))
        compare(served(tmp_path / "mine", tmp_path), ids, wanted if classes == 3 else two_columns(wanted))

    @pytest.mark.parametrize("kind,intercepts", [("gbtree", "[2.4105498E-1]"), ("dart", "[2.4105498E-1]"),
                                                 ("softprob", "[-3.95E-2,1.97E-1,-1.57E-1]")])
    @pytest.mark.parametrize("form, name", [("json", "model.json"), ("ubj", "model.ubj"), ("json", "model.model"), ("ubj", "model.bin")])
    def test_the_intercepts_of_a_later_xgboost_are_kept(self, tmp_path, demo, kind, intercepts, form, name):
        """
        Steps: write base_score into a file as XGBoost 3.1 does, a list: one probability, or the margins of the classes; import it, whatever
        its name.
        Verify: each flow's scores are those of the trees on top of these (XGBoost 1.7 by itself takes 0.5).
        """
        ids, rows, two, three = demo
        booster = xgboost.train({"nthread": 1, "seed": 1, "max_depth": 4, **BOOSTERS[kind]},
                                xgboost.DMatrix(rows, label=three if kind == "softprob" else two), num_boost_round=6)
        raw = booster.save_raw(form)
        old = b'"base_score":"5E-1"' if form == "json" else b"base_scoreSL" + (4).to_bytes(8, "big") + b"5E-1"
        new = old.replace(b"5E-1", intercepts.encode()).replace((4).to_bytes(8, "big"), len(intercepts).to_bytes(8, "big"))
        verify(raw.count(old) == 1, "base_score is not where it was thought to be")
        (tmp_path / name).write_bytes(raw.replace(old, new))
        imported("import-xgboost", tmp_path / name, "--features", ",".join(NAMES), "--out", tmp_path / "mine")
        margins = booster.predict(xgboost.DMatrix(rows), output_margin=True)
        values = np.array(json.loads(intercepts))
        if kind == "softprob":
            wanted = np.exp(margins - 0.5 + values)
            wanted /= wanted.sum(axis=1, keepdims=True)
        else:
            wanted = two_columns(1 / (1 + np.exp(-margins) * (1 - values[0]) / values[0]))
        compare(served(tmp_path / "mine", tmp_path), ids, wanted)

    def test_the_intercepts_of_dart_for_classes_are_refused(self, tmp_path, demo):
        """Verify: one line that says what to train anew."""
        _, rows, _, three = demo
        booster = xgboost.train({**BOOSTERS["softprob"], "booster": "dart"}, xgboost.DMatrix(rows, label=three), num_boost_round=2)
        document = json.loads(booster.save_raw("json"))
        document["learner"]["learner_model_param"]["base_score"] = "[1E-1,2E-1,3E-1]"
        (tmp_path / "model.json").write_text(json.dumps(document))
        done = tool("import-xgboost", tmp_path / "model.json", "--features", ",".join(NAMES), "--out", tmp_path / "mine")
        verify(done.returncode == 1 and "an intercept for each class of dart" in done.stderr and "base_score 0.5" in done.stderr, done.stderr)

    def test_the_names_in_a_file_are_taken(self, tmp_path, demo):
        """
        Steps: train with feature names; import without --features, then with others for the same columns.
        Verify: both score as in Python.
        """
        ids, rows, two, _ = demo
        booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(rows, label=two, feature_names=NAMES), num_boost_round=3)
        booster.save_model(tmp_path / "model.ubj")
        wanted = two_columns(booster.predict(xgboost.DMatrix(rows, feature_names=NAMES)))
        imported("import-xgboost", tmp_path / "model.ubj", "--out", tmp_path / "mine")
        compare(served(tmp_path / "mine", tmp_path), ids, wanted)
        others = ",".join(NAMES).replace("dst_port", "Destination Port")
        imported("import-xgboost", tmp_path / "model.ubj", "--features", others, "--out", tmp_path / "others")
        compare(served(tmp_path / "others", tmp_path), ids, wanted)

    @pytest.mark.parametrize("form", ["json", "ubj", "deprecated"])
    def test_a_file_cut_short_is_no_model(self, tmp_path, demo, form):
        """Verify: one line with the file and what XGBoost says, and nothing of its stack."""
        _, rows, two, _ = demo
        path = tmp_path / f"model.{form}"
        xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(rows, label=two), num_boost_round=2).save_model(path)
        path.write_bytes(path.read_bytes()[:2000])
        done = tool("import-xgboost", path, "--features", ",".join(NAMES), "--out", tmp_path / "mine")
        verify(done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr)
        verify(f"{path}: is not a model that XGBoost" in done.stderr and ".so(" not in done.stderr, done.stderr)

    def test_a_model_file_is_no_bundle(self, tmp_path, demo):
        """Verify: linejudge says which tools make one."""
        _, rows, two, _ = demo
        xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(rows, label=two), num_boost_round=2).save_model(tmp_path / "m.json")
        line = error_line(run("--pcap", DEMO, "--model", tmp_path / "m.json"))
        verify("m.json: is a file, not a bundle" in line and "tools/import-xgboost" in line, line)

    def test_a_model_newer_than_the_library_is_said_to_be(self, tmp_path, demo):
        """Verify: the importer and linejudge name the version that saved it, when it does not load."""
        _, rows, two, _ = demo
        booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(rows, label=two), num_boost_round=2)
        booster.save_model(tmp_path / "model.json")
        document = json.loads((tmp_path / "model.json").read_text())
        document["version"] = [93, 1, 0]
        document["learner"]["learner_model_param"]["base_score"] = ["5E-1"]
        (tmp_path / "model.json").write_text(json.dumps(document))
        done = tool("import-xgboost", tmp_path / "model.json", "--features", ",".join(NAMES), "--out", tmp_path / "mine")
        verify(done.returncode == 1 and "saved by XGBoost 93.1.0, newer than" in done.stderr, done.stderr)
        verify(not (tmp_path / "mine").exists(), "a bundle was left behind")

    @pytest.mark.parametrize("base", [0.5, 0.2])
    def test_margins_without_probabilities_are_logistic(self, tmp_path, demo, base):
        """Verify: each flow's score is the logistic function of what binary:logitraw predicts, whose intercept is a margin."""
        ids, rows, two, _ = demo
        booster = xgboost.train({"objective": "binary:logitraw", "base_score": base}, xgboost.DMatrix(rows, label=two), num_boost_round=4)
        booster.save_model(tmp_path / "model.json")
        imported("import-xgboost", tmp_path / "model.json", "--features", ",".join(NAMES), "--out", tmp_path / "mine")
        compare(served(tmp_path / "mine", tmp_path), ids, two_columns(1 / (1 + np.exp(-booster.predict(xgboost.DMatrix(rows))))))

    @pytest.mark.parametrize("base", [12, -90, 1000])
    def test_an_intercept_that_is_no_probability_is_kept(self, tmp_path, demo, base):
        """
        Steps: train margins from an intercept whose logistic is 1, or 0, or next to that, in float32, and one of dart.
        Verify: the golden rows have the booster's own margins, bit for bit; of dart it is refused in a line.
        """
        _, rows, two, _ = demo
        parameters = {"objective": "binary:logitraw", "base_score": base, "eta": 50, "lambda": 0, "min_child_weight": 0, "max_depth": 3}
        booster = xgboost.train(parameters, xgboost.DMatrix(rows, label=two), num_boost_round=3)
        booster.save_model(tmp_path / "m.json")
        imported("import-xgboost", tmp_path / "m.json", "--features", ",".join(NAMES), "--out", tmp_path / "mine")
        with open(tmp_path / "mine" / "golden.csv", encoding="utf-8") as file:
            golden = np.array([[float(cell or "nan") for cell in row] for row in list(csv.reader(file))[1:]], np.float32)
        margins = booster.inplace_predict(golden[:, :len(NAMES)], predict_type="margin")
        verify((margins == golden[:, len(NAMES)]).all(), f"margins differ by {np.abs(margins - golden[:, len(NAMES)]).max()}")
        xgboost.train({**parameters, "booster": "dart"}, xgboost.DMatrix(rows, label=two), num_boost_round=3).save_model(tmp_path / "dart.json")
        done = tool("import-xgboost", tmp_path / "dart.json", "--features", ",".join(NAMES), "--out", tmp_path / "dart")
        verify(done.returncode == 1 and "base_score" in done.stderr and done.stderr.count("\n") == 1, done.stderr)

    def test_a_model_that_stopped_early_scores_as_what_saved_it(self, tmp_path, demo):
        """
        Steps: stop early with XGBClassifier, and save it; save its booster by itself; import both.
        Verify: scores are those of predict_proba(), of the rounds up to the best, and of Booster.predict(), of all; both are said.
        """
        ids, rows, two, _ = demo
        model = xgboost.XGBClassifier(n_estimators=60, max_depth=8, learning_rate=0.8, early_stopping_rounds=3, eval_metric="logloss")
        model.fit(rows[::2], two[::2], eval_set=[(rows[1::2], two[1::2])], verbose=False)
        rounds, best = model.get_booster().num_boosted_rounds(), model.best_iteration + 1
        verify(best < rounds, "it did not stop early: nothing is tested")
        model.save_model(tmp_path / "wrapper.ubj")
        model.get_booster().save_model(tmp_path / "booster.ubj")
        for name, wanted, said in (("wrapper", model.predict_proba(rows), "the later ones are left out"),
                                   ("booster", two_columns(model.get_booster().inplace_predict(rows)), "all are taken")):
            done = tool("import-xgboost", tmp_path / f"{name}.ubj", "--features", ",".join(NAMES), "--out", tmp_path / name)
            verify(f"the best of its {rounds} rounds is number {best}; {said}" in done.stderr, done.stderr)
            compare(served(tmp_path / name, tmp_path), ids, wanted)

    def test_a_number_that_stood_for_missing_values_is_refused_where_flows_have_it(self, tmp_path, demo):
        """
        Steps: train XGBClassifier with missing 0, then with missing -1; import both.
        Verify: the first is refused in a line; the second scores missing values as predict_proba() does -1.
        """
        ids, rows, two, _ = demo
        filled = np.nan_to_num(rows, nan=-1)
        for missing, said in ((0, "treats 0 as missing"), (-1, None)):
            model = xgboost.XGBClassifier(n_estimators=5, max_depth=4, missing=missing).fit(filled, two)
            model.save_model(tmp_path / "model.json")
            done = tool("import-xgboost", tmp_path / "model.json", "--features", ",".join(NAMES), "--out", tmp_path / "mine")
            verify(done.returncode == (said is not None) and (said or "") in done.stderr, done.stderr)
        compare(served(tmp_path / "mine", tmp_path), ids, model.predict_proba(filled))

    @pytest.mark.parametrize("form", ["json", "ubj"])
    def test_categorical_splits_are_refused_by_their_name(self, tmp_path, demo, form):
        """
        Steps: train with a column of categories; import it; put it into a bundle by hand, and open that.
        Verify: one line each that says so, the importer's with the column.
        """
        _, rows, two, _ = demo
        rows = np.column_stack([rows[:, :7], np.unique(rows[:, 7], return_inverse=True)[1]]).astype(np.float32)
        data = xgboost.DMatrix(rows, label=two, feature_names=NAMES, feature_types=["q"] * 7 + ["c"], enable_categorical=True)
        booster = xgboost.train({"objective": "binary:logistic", "tree_method": "hist", "max_cat_to_onehot": 1}, data, num_boost_round=4)
        booster.save_model(tmp_path / f"model.{form}")
        done = tool("import-xgboost", tmp_path / f"model.{form}", "--out", tmp_path / "mine")
        verify(done.returncode == 1 and "has categorical splits, of column dst_port" in done.stderr and done.stderr.count("\n") == 1, done.stderr)
        bundle = write_bundle(tmp_path / "hand", xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(rows, label=two), 1), NAMES, rows[:9])
        manifest = json.loads((bundle / "manifest.json").read_text())
        manifest["files"]["booster"] = {"name": f"model.{form}", "sha256": sha256(tmp_path / f"model.{form}")}
        (bundle / "manifest.json").write_text(json.dumps(manifest))
        (bundle / f"model.{form}").write_bytes((tmp_path / f"model.{form}").read_bytes())
        line = error_line(run("--pcap", DEMO, "--model", bundle))
        verify(f"model.{form}" in line and "categorical" in line, line)

    def test_a_regression_is_refused(self, tmp_path, demo):
        """Verify: one line with its objective and those that are taken."""
        _, rows, two, _ = demo
        booster = xgboost.train({"objective": "reg:squarederror"}, xgboost.DMatrix(rows, label=two), num_boost_round=2)
        booster.save_model(tmp_path / "model.ubj")
        done = tool("import-xgboost", tmp_path / "model.ubj", "--features", ",".join(NAMES), "--out", tmp_path / "mine")
        verify(done.returncode == 1 and "reg:squarederror" in done.stderr and "binary:logistic" in done.stderr, done.stderr)

    @pytest.mark.parametrize("form", ["header", "lines"])
    def test_names_may_be_of_a_file_of_windows(self, tmp_path, demo, form):
        """Verify: a CSV's header, or a name a line, with the mark that Windows begins a file with, and its ends of lines."""
        _, rows, two, _ = demo
        xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(rows, label=two), num_boost_round=2).save_model(tmp_path / "m.json")
        text = ",".join(NAMES) + "\r\n1,2\r\n" if form == "header" else "\r\n".join([*NAMES, ""])
        (tmp_path / "names.csv").write_text("\ufeff" + text, encoding="utf-8", newline="")
        imported("import-xgboost", tmp_path / "m.json", "--features", f"@{tmp_path}/names.csv", "--out", tmp_path / "mine")
        verify(json.loads((tmp_path / "mine" / "manifest.json").read_text())["features"] == NAMES, "other names")

    def test_too_few_names_are_counted(self, tmp_path, demo):
        """Verify: how many are given and needed."""
        _, rows, two, _ = demo
        xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(rows, label=two), num_boost_round=2).save_model(tmp_path / "m.old")
        done = tool("import-xgboost", tmp_path / "m.old", "--features", "packets,fwd_bytes", "--out", tmp_path / "mine")
        verify("2 names, the model takes 8 columns" in done.stderr, done.stderr)

    def test_a_full_disk_is_told_in_a_line(self, tmp_path, demo):
        """Verify: of one whose disk ends in the middle of the model: one line, nothing of XGBoost's stack, and nothing left."""
        _, rows, two, _ = demo
        xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(rows, label=two), num_boost_round=40).save_model(tmp_path / "m.ubj")
        (tmp_path / "small").mkdir()
        command = (f"mount -t tmpfs -o size=8k none {tmp_path}/small && {TOOLS}/import-xgboost {tmp_path}/m.ubj --features {','.join(NAMES)} "
                   f"--out {tmp_path}/small/mine; ls -A {tmp_path}/small")
        done = subprocess.run(["unshare", "--mount", "sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        verify(done.stderr.startswith("tools/import-xgboost: No space left on device") and done.stderr.count("\n") == 1 and done.stdout == "", done.stderr)

    def test_what_linejudge_refuses_is_told_of_the_folder_that_was_asked_for(self, tmp_path, demo):
        """
        Steps: a name of a class that is too long, a threshold of 2, a folder below a file, a file that is not there.
        Verify: one line each that names the folder or the file as it was given, not one that is gone by then; nothing is left.
        """
        _, rows, two, _ = demo
        xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(rows, label=two), num_boost_round=2).save_model(tmp_path / "m.ubj")
        (tmp_path / "file").write_text("")
        for file, out, arguments, said in (("m.ubj", "mine", ("--classes", "benign," + 32 * "a"), "mine/manifest.json: classes: has an item"),
                                           ("m.ubj", "mine", ("--threshold", "2"), "mine/manifest.json: threshold: "),
                                           ("m.ubj", "file/mine", (), "file: File exists"), ("none.ubj", "mine", (), "none.ubj: No such file")):
            done = tool("import-xgboost", tmp_path / file, "--features", ",".join(NAMES), "--out", tmp_path / out, *arguments)
            verify(done.returncode == 1 and f"tools/import-xgboost: {tmp_path}/{said}" in done.stderr and done.stderr.count("\n") == 1, done.stderr)
        verify(sorted(os.listdir(tmp_path)) == ["file", "m.ubj"], f"{os.listdir(tmp_path)}")


ESTIMATORS = {
    "random_forest": (lambda: RandomForestClassifier(60, random_state=1, max_depth=8), 2),
    "random_forest_of_three": (lambda: RandomForestClassifier(40, random_state=1, max_depth=6), 3),
    "extra_trees": (lambda: ExtraTreesClassifier(50, random_state=1, min_samples_leaf=3), 2),
    "decision_tree": (lambda: DecisionTreeClassifier(random_state=1, max_depth=5), 2),
    "gradient_boosting": (lambda: GradientBoostingClassifier(n_estimators=30, random_state=1), 2),
    "gradient_boosting_of_three": (lambda: GradientBoostingClassifier(n_estimators=20, random_state=1), 3),
    "exponential_loss": (lambda: GradientBoostingClassifier(n_estimators=20, loss="exponential", random_state=1), 2),
    "isolation_forest": (lambda: IsolationForest(n_estimators=60, max_features=4, random_state=1), 0),
    "scaled_random_forest": (lambda: make_pipeline(SimpleImputer(strategy="median"), StandardScaler(),
                                                   RandomForestClassifier(40, random_state=1, max_depth=7)), 2),
    "scaled_isolation_forest": (lambda: make_pipeline(StandardScaler(), IsolationForest(n_estimators=60, random_state=1)), 0),
}


class TestSklearn:
    @pytest.mark.parametrize("kind", ESTIMATORS)
    def test_an_estimator_scores_as_in_python(self, tmp_path, demo, kind):
        """
        Steps: fit on the demo's flows; tools/import-sklearn; run the bundle on the demo.
        Verify: each flow's scores are scikit-learn's.
        """
        ids, rows, two, three = demo
        make, classes = ESTIMATORS[kind]
        filled = np.nan_to_num(rows, nan=0).astype(np.float64)
        model = make().fit(filled, three if classes == 3 else two)
        (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
        said = imported("import-sklearn", tmp_path / "model.pickle", "--features", ",".join(NAMES), "--out", tmp_path / "mine")
        verify("scikit-learn's scores to" in said, said)
        if kind == "scaled_random_forest":
            filled = rows.astype(np.float64)
        wanted = two_columns(-model.score_samples(filled)) if classes == 0 else model.predict_proba(filled)
        compare(served(tmp_path / "mine", tmp_path), ids, wanted)

    def test_a_nodes_cover_is_the_weight_of_its_samples(self, tmp_path, demo):
        """
        Steps: train a tree on flows that have weights; import it.
        Verify: the cover of each node, which SHAP uses, is the weight of its samples, not their number.
        """
        _, rows, two, _ = demo
        model = DecisionTreeClassifier(max_depth=4, random_state=1).fit(np.nan_to_num(rows, nan=0), two, sample_weight=1 + 2.0 * two)
        (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
        imported("import-sklearn", tmp_path / "model.pickle", "--features", ",".join(NAMES), "--out", tmp_path / "mine")
        document = json.loads(xgboost.Booster(model_file=tmp_path / "mine" / "model.ubj").save_raw("json"))
        tree = document["learner"]["gradient_booster"]["model"]["trees"][0]
        wanted, stack = {}, [(0, 0)]
        while stack:
            theirs, ours = stack.pop()
            wanted[ours] = model.tree_.weighted_n_node_samples[theirs]
            if model.tree_.children_left[theirs] >= 0:
                stack += [(model.tree_.children_left[theirs], tree["left_children"][ours]), (model.tree_.children_right[theirs], tree["right_children"][ours])]
        verify(len(wanted) > 5 and np.allclose([wanted[i] for i in range(len(wanted))], tree["sum_hessian"]), tree["sum_hessian"])

    def test_the_threshold_of_an_isolation_forest_is_its_own(self, tmp_path, demo):
        """Verify: linejudge alerts on the flows that predict() calls outliers."""
        ids, rows, _, _ = demo
        filled = np.nan_to_num(rows, nan=0).astype(np.float64)
        model = IsolationForest(n_estimators=50, contamination=0.07, random_state=2).fit(filled)
        (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
        imported("import-sklearn", tmp_path / "model.pickle", "--features", ",".join(NAMES), "--out", tmp_path / "mine")
        replay(DEMO, "--model", tmp_path / "mine", "--eve", tmp_path / "eve.json")
        alerts = {e["flow_id"] for e in events(tmp_path / "eve.json") if e["event_type"] == "alert"}
        clear = np.abs(model.score_samples(filled) - model.offset_) > 1e-6
        wanted = {i for i, outlier, sure in zip(ids, model.predict(filled) < 0, clear) if outlier and sure}
        unsure = {i for i, sure in zip(ids, clear) if not sure}
        verify(wanted and alerts - unsure == wanted, f"{len(alerts)} alerts, {len(wanted)} outliers")

    def test_what_scores_as_the_threshold_is_no_outlier(self, tmp_path, demo):
        """
        Steps: an isolation forest of few columns, where many flows are alike, told of a share of outliers that ends among such.
        Verify: flows lie right on its offset, which predict() calls none, and linejudge alerts on just those that it calls outliers.
        """
        ids, rows, _, _ = demo
        names, filled = ["packets", "fwd_bytes", "dst_port"], np.nan_to_num(rows, nan=0).astype(np.float64)[:, [0, 2, 7]]
        for share in (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45):
            model = IsolationForest(n_estimators=50, contamination=share, random_state=1).fit(filled)
            beside = np.abs(model.score_samples(filled) - model.offset_)
            if (beside < 1e-12).any() and not ((beside >= 1e-12) & (beside < 1e-6)).any():
                break
        verify((beside < 1e-12).any(), "no flow is right on the offset: nothing is tested")
        (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
        imported("import-sklearn", tmp_path / "model.pickle", "--features", ",".join(names), "--out", tmp_path / "mine")
        replay(DEMO, "--model", tmp_path / "mine", "--eve", tmp_path / "eve.json")
        alerts = {e["flow_id"] for e in events(tmp_path / "eve.json") if e["event_type"] == "alert"}
        wanted = {i for i, outlier in zip(ids, model.predict(filled) < 0) if outlier}
        verify(wanted and alerts == wanted, f"{len(alerts)} alerts, {len(wanted)} outliers")

    def test_where_depth_says_nothing_nothing_is_an_outlier(self, tmp_path, demo):
        """
        Steps: an isolation forest of trees of two flows each, of which every flow scores 0.5, its own threshold.
        Verify: predict() calls none an outlier, and linejudge alerts on none.
        """
        _, rows, _, _ = demo
        filled = np.nan_to_num(rows, nan=0).astype(np.float64)
        model = IsolationForest(n_estimators=10, max_samples=2, random_state=1).fit(filled)
        (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
        imported("import-sklearn", tmp_path / "model.pickle", "--features", ",".join(NAMES), "--out", tmp_path / "mine")
        replay(DEMO, "--model", tmp_path / "mine", "--eve", tmp_path / "eve.json")
        alerts = sum(e["event_type"] == "alert" for e in events(tmp_path / "eve.json"))
        verify(alerts == 0 and not (model.predict(filled) < 0).any(), f"{alerts} alerts")

    def test_classes_are_those_of_their_names_in_any_order(self, tmp_path, demo):
        """
        Steps: a forest of BENIGN, dos and scan; import it with --classes benign,scan,dos.
        Verify: each class has the scores that scikit-learn gives it.
        """
        _, rows, _, three = demo
        model = RandomForestClassifier(5, max_depth=4, random_state=1).fit(np.nan_to_num(rows), np.array(["BENIGN", "dos", "scan"])[three])
        (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
        imported("import-sklearn", tmp_path / "model.pickle", "--features", ",".join(NAMES), "--classes", "benign,scan,dos", "--out", tmp_path / "mine")
        with open(tmp_path / "mine" / "golden.csv", encoding="utf-8") as file:
            golden = np.array([[float(cell or "0") for cell in row] for row in list(csv.reader(file))[1:]], np.float32)
        wanted = dict(zip(("benign", "dos", "scan"), model.predict_proba(golden[:, :len(NAMES)]).T))
        for k, name in enumerate(json.loads((tmp_path / "mine" / "manifest.json").read_text())["classes"]):
            off = np.abs(golden[:, -3 + k] - wanted[name]).max()
            verify(off < 1e-6, f"{name}: off by {off}")

    @pytest.mark.parametrize("arguments,said", [
        (("--classes", "scan,benign,dos"), "--classes: benign is not the first, which the benign one has to be"),
        (("--classes", "dos,BENIGN,scan"), "--classes: BENIGN is not the first"),
        (("--classes", "benign,dos,dos"), "--classes: dos is named twice"),
        (("--benign", "dos"), "--benign: beside dos the model has a class that is called BENIGN"),
    ])
    def test_classes_whose_names_cannot_be_are_told_as_they_were_given(self, tmp_path, demo, arguments, said):
        """
        Steps: a forest of BENIGN, dos and scan; import it with the benign class elsewhere than first, with a name twice, with another class
            for benign.
        Verify: one line says which name, and why it cannot be; no bundle is written.
        """
        _, rows, _, three = demo
        model = RandomForestClassifier(5, max_depth=4, random_state=1).fit(np.nan_to_num(rows), np.array(["BENIGN", "dos", "scan"])[three])
        (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
        done = tool("import-sklearn", tmp_path / "model.pickle", "--features", ",".join(NAMES), "--out", tmp_path / "mine", *arguments)
        verify(done.returncode == 1 and said in done.stderr and done.stderr.count("\n") == 1, done.stderr)
        verify(not (tmp_path / "mine").exists(), "a bundle is there")

    def test_a_missing_value_goes_where_it_was_filled_to(self, tmp_path):
        """
        Steps: a tree behind an imputer and a scaler, that tells a column's mean, which is no float32, from the numbers beside it.
        Verify: the golden row without values scores as scikit-learn's.
        """
        column = np.array([[16777216], [16777218], [np.nan]] * 20)
        model = make_pipeline(SimpleImputer(), StandardScaler(), DecisionTreeClassifier(random_state=1)).fit(column, np.isnan(column[:, 0]))
        (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
        imported("import-sklearn", tmp_path / "model.pickle", "--features", "duration_us", "--out", tmp_path / "mine")
        with open(tmp_path / "mine" / "golden.csv", encoding="utf-8") as file:
            missing = list(csv.DictReader(file))[-1]
        verify(missing["duration_us"] == "" and float(missing["probability_0"]) == model.predict_proba([[np.nan]])[0, 1] == 1, missing)

    def test_what_is_no_forest_is_refused(self, tmp_path, demo):
        """Verify: one line that names it and what is taken."""
        _, rows, two, _ = demo
        model = AdaBoostClassifier(n_estimators=3).fit(np.nan_to_num(rows), two)
        (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
        done = tool("import-sklearn", tmp_path / "model.pickle", "--features", ",".join(NAMES), "--out", tmp_path / "mine")
        verify(done.returncode == 1 and "AdaBoostClassifier" in done.stderr and "RandomForestClassifier" in done.stderr, done.stderr)

    def test_what_is_of_another_library_or_untrained_is_said_to_be(self, tmp_path, demo):
        """Verify: one line that names the tool, and that it was not fitted."""
        _, rows, two, _ = demo
        for model, said in ((xgboost.XGBClassifier(n_estimators=2).fit(rows, two), "XGBClassifier is none of RandomForestClassifier, "),
                            (RandomForestClassifier(3), "RandomForestClassifier was not fitted"),
                            (make_pipeline(SimpleImputer(), IsolationForest()), "SimpleImputer was not fitted")):
            (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
            done = tool("import-sklearn", tmp_path / "model.pickle", "--features", ",".join(NAMES), "--out", tmp_path / "mine")
            verify(done.returncode == 1 and said in done.stderr and done.stderr.count("\n") == 1, done.stderr)
            verify(("tools/import-xgboost" in done.stderr) == ("XGB" in said), done.stderr)

    def test_a_second_imputer_is_refused(self, tmp_path, demo):
        """
        Steps: a pipeline of two imputers, of which the first leaves the second nothing to fill.
        Verify: one line says so: the bundle would send missing values where the second's values go.
        """
        _, rows, two, _ = demo
        model = make_pipeline(SimpleImputer(), SimpleImputer(strategy="median"), RandomForestClassifier(5, random_state=1)).fit(rows, two)
        (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
        done = tool("import-sklearn", tmp_path / "model.pickle", "--features", ",".join(NAMES), "--out", tmp_path / "mine")
        verify(done.returncode == 1 and "one SimpleImputer" in done.stderr and done.stderr.count("\n") == 1, done.stderr)

    @pytest.mark.parametrize("packed", ["zlib", "gzip", "bz2", "xz", "lzma"])
    def test_a_file_that_is_damaged_is_no_model(self, tmp_path, demo, packed):
        """
        Steps: keep a forest as joblib packs it, with a byte in the middle changed.
        Verify: one line with the file, whatever the packer raises.
        """
        _, rows, two, _ = demo
        path = tmp_path / f"model.{packed}"
        joblib.dump(RandomForestClassifier(20, random_state=1).fit(np.nan_to_num(rows), two), path, compress=(packed, 3))
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
        done = tool("import-sklearn", path, "--features", ",".join(NAMES), "--out", tmp_path / "mine")
        verify(done.returncode == 1 and f"tools/import-sklearn: {path}: is not a model" in done.stderr and done.stderr.count("\n") == 1, done.stderr)

    def test_a_model_of_a_table_with_names_brings_them(self, tmp_path, demo):
        """
        Steps: import a forest that was trained on columns with names, as CIC-IDS2017 writes them, with a blank before; then say that NaN stood
        for missing values in its training.
        Verify: no --features is needed, and nothing is warned of; what trees of Debian's scikit-learn never compared is refused.
        """
        _, rows, two, _ = demo
        model = RandomForestClassifier(5, random_state=1).fit(np.nan_to_num(rows)[:, :2], two)
        model.feature_names_in_ = np.array([" Total Fwd Packets", " Flow Duration"], object)
        (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
        done = tool("import-sklearn", tmp_path / "model.pickle", "--out", tmp_path / "mine")
        verify(done.returncode == 0 and done.stderr == "", done.stderr)
        done = tool("import-sklearn", tmp_path / "model.pickle", "--missing", "nan", "--out", tmp_path / "mine")
        verify(done.returncode == 2 and "--missing: nan is no number that trees compare" in done.stderr, done.stderr)

    def test_scores_that_are_no_numbers_are_said_to_be(self, tmp_path, demo):
        """
        Steps: import boosting whose leaves are NaN, and an isolation forest of one flow a tree.
        Verify: one line that says so, and nothing of how exactly sums are held.
        """
        _, rows, two, _ = demo
        filled = np.nan_to_num(rows).astype(np.float64)
        boosting = GradientBoostingClassifier(n_estimators=2, random_state=1).fit(filled, two)
        boosting.estimators_[0][0].tree_.value[:] = np.nan
        for model, said in ((boosting, "scikit-learn's own scores of 64 of the 64 golden rows are no numbers"),
                            (IsolationForest(n_estimators=2, max_samples=1, random_state=1).fit(filled), "has seen one sample")):
            (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
            done = tool("import-sklearn", tmp_path / "model.pickle", "--features", ",".join(NAMES), "--out", tmp_path / "mine")
            verify(done.returncode == 1 and said in done.stderr and done.stderr.count("\n") == 1, done.stderr)

    def test_a_leaf_of_flows_that_weigh_nothing_scores_as_in_python(self, tmp_path, demo):
        """
        Steps: a tree of which one leaf has no weight left: scikit-learn gives 0 to every class there.
        Verify: the bundle does, too.
        """
        ids, rows, two, _ = demo
        filled = np.nan_to_num(rows).astype(np.float64)
        model = DecisionTreeClassifier(max_depth=5, random_state=1).fit(filled, two)
        model.tree_.value[model.apply(filled[:1])[0]] = 0
        (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
        imported("import-sklearn", tmp_path / "model.pickle", "--features", ",".join(NAMES), "--out", tmp_path / "mine")
        attack = model.predict_proba(filled)[:, 1]
        compare(served(tmp_path / "mine", tmp_path), ids, np.column_stack([1 - attack, attack]))

    def test_a_transform_that_is_unknown_is_refused(self, tmp_path, demo):
        """Verify: the file, the key and what it may be."""
        _, rows, two, _ = demo
        model = DecisionTreeClassifier(max_depth=3).fit(np.nan_to_num(rows), two)
        (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
        imported("import-sklearn", tmp_path / "model.pickle", "--features", ",".join(NAMES), "--out", tmp_path / "mine")
        path = tmp_path / "mine" / "manifest.json"
        manifest = json.loads(path.read_text())
        manifest["transform"]["kind"] = "median"
        path.write_text(json.dumps(manifest))
        line = error_line(run("--pcap", DEMO, "--model", tmp_path / "mine"))
        verify("transform.kind" in line and "mean" in line, line)
