package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/getsentry/sentry-go"
)

func fetchOrders(number, variant int) error {
	host := fmt.Sprintf("10.0.%d.7", variant)
	if number == 1 {
		return fmt.Errorf("dial tcp %s:%d: connect: connection refused", host, 5000+variant)
	}
	if number == 2 {
		return fmt.Errorf("read tcp %s: i/o timeout after %d ms", host, variant*1000)
	}
	return fmt.Errorf("write /data/%d/orders.db: no space left on device", variant)
}

func parse(text string) error {
	_, err := strconv.Atoi(text)
	return err
}

func pay(number, variant int) error {
	return fmt.Errorf("payment of order %d failed: %w", 4000+variant, fetchOrders(number, variant))
}

func explode(variant int) {
	var orders []int
	_ = orders[variant]
}

func main() {
	err := sentry.Init(sentry.ClientOptions{Dsn: os.Args[1], Release: "shop@1.0.1", Environment: "production", AttachStacktrace: true})
	if err != nil {
		panic(err)
	}
	kinds := []struct {
		name string
		fail func(int) error
	}{
		{"refused", func(v int) error { return fetchOrders(1, v) }},
		{"timeout", func(v int) error { return fetchOrders(2, v) }},
		{"disk_full", func(v int) error { return fetchOrders(3, v) }},
		{"bad_number", func(v int) error { return parse("x1") }},
		{"wrapped_refused", func(v int) error { return pay(1, v) }},
		{"wrapped_timeout", func(v int) error { return pay(2, v) }},
		{"other", func(v int) error { return errors.New("cart is empty") }},
	}
	for variant := 1; variant <= 3; variant++ {
		for _, kind := range kinds {
			sentry.WithScope(func(scope *sentry.Scope) {
				scope.SetTag("kind", kind.name)
				scope.SetTag("variant", strconv.Itoa(variant))
				sentry.CaptureException(kind.fail(variant))
			})
		}
		sentry.WithScope(func(scope *sentry.Scope) {
			scope.SetTag("kind", "panic")
			defer func() {
				sentry.CurrentHub().Recover(recover())
			}()
			explode(variant)
		})
		sentry.WithScope(func(scope *sentry.Scope) {
			scope.SetTag("kind", "message")
			sentry.CaptureMessage(fmt.Sprintf("Stock of %d items is negative", variant))
		})
		sentry.Flush(10 * time.Second)
	}
}
