"""What is stored encrypted: AES-256-GCM, a key an object, wrapped by keys of the environment or of Azure Key Vault."""
