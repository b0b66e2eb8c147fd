"""Synthetic rows from documents: prompts, a generator, a journal by request, filters, and rows under the row contract."""
