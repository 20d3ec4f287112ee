/* The sweep of moving averages by hand: the yardstick of `benchmarks.native`, built with the system's compiler.

   The same rules as sim/sweep: decide at a close, judge the reservation, fill at the next open, 10 basis points rounded half to
   even, all money int64 at 1e-8. Means come from exact prefix sums and are compared 64 bars to a word; between two fills equity is a
   line in the price, and a stretch without a position one value. Returns are summed in doubles. Prices are ticks at 1e-4, quantities lots at 1e-4. */
#include <stdint.h>
#include <string.h>

#define TILE 1024
#define WORDS (TILE / 64)

typedef struct {
    int64_t cash, position, cost, entry_fee, fees, fills, trades, wins, refused, wants;
    double peak, trough, depth, before, sum, square;
} account;

static int64_t fee_of(int64_t value, int64_t rate) {
    uint64_t whole = 100000000u, many = (uint64_t)value / whole, part = ((uint64_t)value - many * whole) * (uint64_t)rate;
    uint64_t quotient = part / whole, twice = 2 * (part - quotient * whole);
    quotient += many * (uint64_t)rate;
    return (int64_t)(quotient + (twice > whole || (twice == whole && (quotient & 1))));
}

static void words_of(const double *fast, const double *slow, uint64_t *out) {
    for (int k = 0; k < WORDS; k++, fast += 64, slow += 64) {
        uint64_t word = 0;
        for (int i = 0; i < 64; i++) word |= (uint64_t)(fast[i] - slow[i] > 1e-14 * fast[i]) << i;
        out[k] = word;
    }
}

/* Fill out with the means of `window` closes from their prefix sums, which are exact; `sums` has bars + 1 places. */
void average(int64_t bars, const int64_t *sums, int64_t window, double *out) {
    for (int64_t t = window - 1; t < bars; t++) out[t] = (double)(sums[t + 1] - sums[t + 1 - window]) / (double)window;
}

static int64_t line(const double *price, int64_t count, double cash, double each, double *out) {
    if (each == 0.0) {
        out[0] = cash;
        return count > 0;
    }
    for (int64_t i = 0; i < count; i++) out[i] = cash + each * price[i];
    return count;
}

/* Four reciprocals come from one division. */
static void moments(account *a, const double *equity, int64_t count) {
    int64_t part = count / 4;
    const double *e = equity, *f = e + part, *g = f + part, *h = g + part;
    double sum = 0.0, square = 0.0;
    for (int64_t i = 0; i < part; i++) {
        double ef = e[i] * f[i], gh = g[i] * h[i], inverse = 1.0 / (ef * gh), of_ef = inverse * gh, of_gh = inverse * ef;
        double p = (e[i + 1] - e[i]) * (of_ef * f[i]), q = (f[i + 1] - f[i]) * (of_ef * e[i]);
        double r = (g[i + 1] - g[i]) * (of_gh * h[i]), s = (h[i + 1] - h[i]) * (of_gh * g[i]);
        sum += (p + q) + (r + s);
        square += (p * p + q * q) + (r * r + s * s);
    }
    for (int64_t i = 4 * part + 1; i <= count; i++) {
        double step = equity[i] / equity[i - 1] - 1.0;
        sum += step;
        square += step * step;
    }
    a->sum += sum;
    a->square += square;
}

static void walk(account *a, const double *equity, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        if (equity[i] > a->peak) {
            double depth = a->trough / a->peak - 1.0;
            a->depth = depth < a->depth ? depth : a->depth;
            a->peak = a->trough = equity[i];
        } else if (equity[i] < a->trough)
            a->trough = equity[i];
    }
}

static int below(account *a, const double *equity, int64_t count) {
    double low = equity[0], high = equity[0];
    for (int64_t i = 0; i < count; i++) {
        low = equity[i] < low ? equity[i] : low;
        high = equity[i] > high ? equity[i] : high;
    }
    if (high > a->peak) return 0;
    a->trough = low < a->trough ? low : a->trough;
    return 1;
}

/* A piece without a new peak gives its least value to the trough and no more. */
static void figures(account *a, double *equity, int64_t count) {
    equity[0] = a->before;
    moments(a, equity, count);
    a->before = equity[count];
    if (below(a, equity + 1, count)) return;
    for (int64_t i = 1; i <= count; i += 64) {
        int64_t part = count + 1 - i < 64 ? count + 1 - i : 64;
        if (!below(a, equity + i, part)) walk(a, equity + i, part);
    }
}

static int trade(account *a, int64_t close, int64_t next_open, int64_t lots, int64_t rate, int64_t worst_bps, int last) {
    int buy = a->position == 0;
    if (buy) {
        int64_t worst = close + close * worst_bps / 10000;
        if (worst * lots + fee_of(worst * lots, rate) > a->cash) {
            a->refused++;
            return 0;
        }
    }
    if (last) return 1;
    int64_t value = next_open * lots, fee = fee_of(value, rate);
    a->fees += fee;
    a->fills++;
    if (buy) {
        a->cash -= value + fee;
        a->position = lots, a->cost = value, a->entry_fee = fee;
    } else {
        a->cash += value - fee;
        a->trades++;
        a->wins += value - a->cost - a->entry_fee - fee > 0;
        a->position = 0;
    }
    return 1;
}

/* Fill one account a combination, long `lots` while its fast mean is above its slow one. `means` has a row of `width` doubles for
   each different window, a multiple of TILE; fast and slow name the row, begins the bar from which both are known. */
void sweep(int64_t bars, const int64_t *opens, const int64_t *closes, const double *price, const double *means, int64_t width, int64_t combos,
           const int64_t *fast, const int64_t *slow, const int64_t *begins, int64_t cash, int64_t lots, int64_t rate, int64_t worst_bps, account *accounts) {
    double equity[TILE + 65];
    uint64_t above[WORDS];
    for (int64_t c = 0; c < combos; c++) {
        memset(&accounts[c], 0, sizeof(account));
        accounts[c].cash = cash, accounts[c].wants = -1;
        accounts[c].peak = accounts[c].trough = accounts[c].before = (double)cash;
    }
    for (int64_t first = 0; first < bars; first += TILE) {
        int64_t end = first + TILE < bars ? first + TILE : bars;
        for (int64_t c = 0; c < combos; c++) {
            account *a = &accounts[c];
            int64_t begin = first, drawn = 1;
            words_of(means + fast[c] * width + first, means + slow[c] * width + first, above);
            for (int k = 0; k < WORDS && first + 64 * k < end; k++) {
                int64_t base = first + 64 * k, from = begins[c] - base;
                uint64_t known = from >= 64 ? 0 : from > 0 ? ~0ull << from : ~0ull;
                if (end - base < 64) known &= (1ull << (end - base)) - 1;
                uint64_t later = ~0ull;
                for (;;) {
                    uint64_t differs = a->wants < 0 ? ~0ull : a->wants ? ~above[k] : above[k];
                    differs &= known & later;
                    if (!differs) break;
                    int place = __builtin_ctzll(differs);
                    int64_t t = base + place, wants = above[k] >> place & 1;
                    later = place == 63 ? 0 : ~0ull << (place + 1);
                    a->wants = wants;
                    if (wants == (a->position != 0)) continue;
                    int64_t old_cash = a->cash, old_position = a->position;
                    if (!trade(a, closes[t], t + 1 < bars ? opens[t + 1] : 0, lots, rate, worst_bps, t + 1 == bars)) {
                        a->wants = -1;
                        continue;
                    }
                    if (t + 1 == bars) continue;
                    drawn += line(price + begin, t + 1 - begin, (double)old_cash, (double)old_position, equity + drawn);
                    begin = t + 1;
                }
            }
            drawn += line(price + begin, end - begin, (double)a->cash, (double)a->position, equity + drawn);
            figures(a, equity, drawn - 1);
        }
    }
    for (int64_t c = 0; c < combos; c++) {
        double depth = accounts[c].trough / accounts[c].peak - 1.0;
        accounts[c].depth = depth < accounts[c].depth ? depth : accounts[c].depth;
    }
}
