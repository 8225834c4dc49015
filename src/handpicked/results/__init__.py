"""What results.json says, assembled from what the stages left."""
