"""Histogram gradient boosting on the one-hot base of every position and the counts of 1- to 3-mers.

The number of trees is where the validation loss stops falling. Each split looks at a random fifth of the features, so
seeds differ.
"""

from genebert.evaluation.examples import Examples
from genebert.methods.base import Method
from genebert.methods.features import FeatureModel, count_features

KMERS = (1, 2, 3)
TREES = {
    "learning_rate": 0.05,
    "max_iter": 1000,
    "max_leaf_nodes": 15,
    "max_features": 0.2,
    "n_iter_no_change": 20,
}


class BoostedTrees(Method):
    """``boosted-trees``; all sequences must have one length."""

    name = "boosted-trees"
    fitted = FeatureModel
    kinds = ("two-class",)
    packages = ("scikit-learn", "numpy")

    def fit(self, train: Examples, valid: Examples, seed: int) -> FeatureModel:
        """Fit on `train`; `valid` chooses the number of trees."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        features = {"kmers": KMERS, "length": int(train.lengths[0])}
        of_train, of_valid = count_features(train, **features), count_features(valid, **features)
        model = HistGradientBoostingClassifier(early_stopping=True, random_state=seed, **TREES)
        model.fit(of_train, train.labels, X_val=of_valid, y_val=valid.labels)
        settings = {"kmers": list(KMERS), "positional_one_hot": True, **TREES, "trees": int(model.n_iter_)}
        return FeatureModel(self.name, self.kind, self.record(settings), model, features)
