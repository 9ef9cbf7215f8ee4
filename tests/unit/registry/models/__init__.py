"""What people say about models and versions."""
