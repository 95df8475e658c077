"""Services that stand in for a cloud's: what a manifest needs of them, created over the SDK's own clients."""
