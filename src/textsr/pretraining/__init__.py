"""Self-supervised pretraining of encoders on LR lines: SimCLR and BYOL."""
