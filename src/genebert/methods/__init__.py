"""Ways to solve a task: fine-tuned models and simple baselines."""
