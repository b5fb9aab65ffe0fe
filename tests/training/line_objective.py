"""An objective that the package does not know: a line through points of a file, with one loss."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from genebert.files import atomic_path, sha256, write_json
from genebert.training.objective import Objective, Share


@dataclass(frozen=True)
class Points(Share):
    rows: np.ndarray


class Line(Objective):
    def __init__(self, points, batch, seed, ranks, device):
        torch.manual_seed(seed)
        self.points, self.batch, self.seed, self.ranks, self.device = points, batch, seed, ranks, device
        self.model = nn.Linear(1, 1).to(device)
        self.settings, self.record = {"name": "line"}, {"data": {"points": len(points)}}
        self.epoch, self.validation = len(points), 4

    def draw(self, step):
        rows = np.random.default_rng([self.seed, step]).integers(0, len(self.points), self.batch)
        mine = rows[self.ranks.share(self.batch)]
        return Points(torch.ones(len(mine), dtype=torch.int64), 0, f"points {rows.tolist()}", mine)

    def error(self, rows):
        x, y = torch.from_numpy(self.points[rows]).T
        return (self.model(x[:, None])[:, 0] - y).square()

    def compute(self, share, step):
        loss = self.error(share.rows).sum() / self.batch
        loss.backward()
        return {"loss": float(self.ranks.add(loss.detach().clone()))}

    def validate(self):
        with torch.no_grad():
            return {"loss": float(self.error(slice(-4, None)).mean())}

    def floors(self):
        return {"loss": {"mean": round(float(self.points[:, 1].var()), 4)}}

    def flops(self, lengths):
        return 6.0 * len(lengths), 6.0 * len(lengths)

    def save(self, folder, record, files):
        with atomic_path(folder, directory=True) as temporary:
            torch.save(self.model.state_dict(), temporary / "line.pt")
            write_json(temporary / "model.json", record)
            for name, content in files.items():
                (temporary / name).write_text(content)


def build(job, training, ranks, device):
    path = Path(job.data["points"]) / "points.npy"
    objective = Line(np.load(path), training.batch, job.seed, ranks, device)
    objective.record["data"][path.name] = sha256(path)
    return objective
