"""Review: the queues, focus mode, adjudication, agreement."""
