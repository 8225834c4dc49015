"""The shapes of rows: which fields hold the conversation, and how they are recognised."""
