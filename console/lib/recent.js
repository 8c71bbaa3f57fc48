// Asking this server for recent lines and requests.

/** GET /debug/PATH; params that are empty are left out. Throws an Error whose message is a sentence; `status` is the answer's. */
export async function askRecent(path, params = {}, signal = undefined) {
    const search = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== "" && value !== null && value !== undefined));
    const query = search.toString();
    const response = await fetch(`/debug/${path}${query ? `?${query}` : ""}`, { signal });
    let answer = null;
    try {
        answer = await response.json();
    } catch {
        // said below
    }
    if (!response.ok || !answer) {
        const error = new Error(answer?.error || `The server answered ${response.status} without a word of why.`);
        error.status = response.status;
        throw error;
    }
    return answer;
}
