"""Search in all that the registry keeps: one filter language, its meaning in SQL, pages that stay where they were."""
